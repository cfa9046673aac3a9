"""How credentials are recognised in a text that should hold none."""

from __future__ import annotations

import re
from typing import Final

# Published token prefixes: Hugging Face, OpenAI style, AWS, GitHub, GitLab, Slack, JWT, PEM.
_PREFIX: Final = re.compile(
    r"(?:^|=)hf_\w+$|\bhf_[A-Za-z0-9]{16,}|\bsk-[\w-]{16,}|\bAKIA[0-9A-Z]{16}\b|\bgh[opsru]_\w{20,}"
    r"|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}|\bxox[abp]-[\w-]{10,}|\beyJ[\w-]+\.eyJ|-----BEGIN "
)
_FIELD: Final = re.compile(
    r"(?:^|[.\"'])(?:api_?key|password|secret(?:_access)?_?key|(?:hf|auth|access)_?token)[\"']?\s*(?:[:=]|$)",
    re.IGNORECASE,
)

# How the variables that carry credentials end: HF_TOKEN, VLLM_API_KEY, AWS_SECRET_ACCESS_KEY.
_ENDINGS: Final = ("_TOKEN", "_API_KEY", "_ACCESS_KEY", "_SECRET", "_PASSWORD")
_ASSIGNED: Final = re.compile(rf"(?:{'|'.join(_ENDINGS)})[\"']?\s*[:=]")

# RFC 3986, userinfo. A password with an unencoded '?' or '#' is found too, and a proxy's address
# may lack the scheme (Python, urllib.request, _parse_proxy).
_USER_INFO: Final = re.compile(r"://[^/\s\"']*@|(?:^|[\"'])[^/@\s\"']+:[^/@\s\"']+@\S")


def looks_secret(text: str) -> bool:
    """Tell whether a text holds a credential by its published prefix or by its field's name."""
    return bool(_PREFIX.search(text) or _FIELD.search(text))


def has_user_info(text: str) -> bool:
    """Tell whether a text holds an address with a user or a password."""
    return bool(_USER_INFO.search(text))


def is_secret_variable(name: str, value: str) -> bool:
    """Tell whether an environment variable holds a credential, by its name or by its value."""
    return name.endswith(_ENDINGS) or looks_secret(value) or has_user_info(value)


def may_be_shown(text: str) -> bool:
    """Tell whether a message may repeat a text, which may be the print of a list or a section."""
    found = looks_secret(text) or _ASSIGNED.search(text) or "hf_" in text or has_user_info(text)
    return not found
