"""The flat secret keys of the stack config: what each means, and what its value must satisfy."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from settings.mistakes import Mistake

_SET = "set it with `pulumi config set --secret`"

SECRET_KEYS: dict[str, str] = {
    "huggingFaceToken": f"secret: reads a gated model; {_SET}",
    "apiKeys": "secret: keys that callers may send, one a line or a JSON list; default: one that "
    "is generated",
    "basicAuthUsers": "secret: lines of `htpasswd -nB USER`",
    "oidcClientSecret": "secret: of the client at the issuer",
}
"""Keys whose values are secrets, with their meaning: flat, encrypted, no part of the settings."""

API_KEY_CHARACTERS = 16
"""Fewest characters of an API key: 96 bits where each is one of 64."""

_API_KEY = re.compile(r"[!-,.-~][!-~]*")
_TOKEN = re.compile(r"[!-~]*")
_CLIENT_SECRET = re.compile(r"[ -~]*")
"""RFC 6749, appendix A.2."""

_HTPASSWD = re.compile(r"[^:\s]+:(\$2[aby]\$|\$apr1\$|\{SHA\})\S+")


def split_api_keys(text: str) -> tuple[str, ...]:
    """Read API keys from lines or a JSON list; the first is the one that clients use.

    Raises:
        ValueError: the text is no list of texts.
    """
    if not text.lstrip().startswith("["):
        return tuple(text.split())
    try:
        found: Any = json.loads(text)
    except RecursionError:
        raise ValueError("a list that is nested too deep") from None
    if not all(isinstance(key, str) for key in found):
        raise ValueError("an API key is a text")
    return tuple(found)


def value_mistakes(raw: Mapping[str, str]) -> Iterator[Mistake]:
    """Find values that nothing could be done with; no message holds any part of one.

    Args:
        raw: every key with its text; that of an encrypted key is empty where it cannot be known.
    """
    if (text := raw.get("apiKeys", "")).strip():
        yield from _api_key_mistakes(text)
    # huggingface_hub takes a line's end off a token by itself (2.4.0, utils/_auth.py).
    if not _TOKEN.fullmatch(raw.get("huggingFaceToken", "").strip()):
        yield Mistake(
            key="huggingFaceToken",
            wrong="holds what no header may",
            rule="a token is printable ASCII without spaces",
            remedy="set it again with 'pulumi config set --secret huggingFaceToken', with no "
            "quotes or lines around it",
        )
    if not _CLIENT_SECRET.fullmatch(raw.get("oidcClientSecret", "")):
        yield Mistake(
            key="oidcClientSecret",
            wrong="holds what no client secret may",
            rule="it is one line of printable ASCII",
            remedy="set it again with 'pulumi config set --secret oidcClientSecret', as the issuer "
            "shows it",
        )
    lines = [line for line in raw.get("basicAuthUsers", "").splitlines() if line.strip()]
    if wrong := [index for index, line in enumerate(lines, 1) if not _HTPASSWD.fullmatch(line)]:
        yield Mistake(
            key="basicAuthUsers",
            wrong=f"line {wrong[0]} is no user with a hash",
            rule="a line is USER:HASH with a hash by bcrypt, APR1 or SHA-1",
            remedy="write it with 'htpasswd -nB USER'",
        )


def empty_mistakes(raw: Mapping[str, str]) -> Iterator[Mistake]:
    """Find secrets that are set to nothing, as an unset variable of a shell gives them.

    Args:
        raw: every key with its text, decrypted.
    """
    for key in SECRET_KEYS:
        if key in raw and not raw[key].strip():
            yield Mistake(
                key=key,
                wrong="is empty",
                rule="a secret that is set has a value",
                remedy=f"set it again with 'pulumi config set --secret {key}', or remove it "
                f"('pulumi config rm {key}')",
            )


def _api_key_mistakes(text: str) -> Iterator[Mistake]:
    try:
        keys = split_api_keys(text)
    except ValueError:
        keys = ()
    wrong = ""
    if not keys:
        wrong = "holds no list of keys"
    elif short := [at for at, key in enumerate(keys, 1) if len(key) < API_KEY_CHARACTERS]:
        wrong = f"key {short[0]} has fewer than {API_KEY_CHARACTERS} characters"
    elif odd := [at for at, key in enumerate(keys, 1) if not _API_KEY.fullmatch(key)]:
        wrong = f"key {odd[0]} begins with '-' or holds what no header may"
    if wrong:
        yield Mistake(
            key="apiKeys",
            wrong=wrong,
            rule="they are lines or a JSON list of printable ASCII without spaces",
            remedy="make one with 'openssl rand -hex 32'",
        )
