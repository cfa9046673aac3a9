"""Environment variables of the server's container: texts, and entries of Secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field, GetCoreSchemaHandler, GetPydanticSchema, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, core_schema

from settings.credentials import has_user_info, is_secret_variable
from settings.mistakes import Mistake
from settings.values import DnsSubdomain, SecretKey, Section, plain_to_text, rule

HUB_ENDPOINT = "HF_ENDPOINT"
"""The variable that names a mirror of the Hugging Face Hub."""

PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
"""Variables that lead a transfer through a proxy."""

_TOKENS = frozenset({"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"})
"""Variables that huggingface_hub 2.4.0 takes the token from (`utils/_auth.py`)."""

_NAME = re.compile(r"(?!\.$|\.\.)[-._a-zA-Z][-._a-zA-Z0-9]*")
"""What every API server takes (Kubernetes, IsEnvVarName); newer ones take more."""

_IN_CLEAR = "anyone who sees the pod or the stack's state can read it"
_REFERENCE = "give it by reference to a Secret that exists: {name: SECRET, key: ENTRY}"
_PROXY = (
    f"{_REFERENCE}, and set network.enabled to false, since a policy has to name the port; or "
    "use a proxy that asks for no password"
)
_INSTEAD = {
    HUB_ENDPOINT: "write it without a user and password: a mirror is shown the Hugging Face token",
    **dict.fromkeys(_TOKENS, "set huggingFaceTokenSecret, or the secret huggingFaceToken"),
}
"""What to do with a variable that is neither a credential in clear nor a reference."""


class SecretEntry(Section):
    """The value of a variable, in a Secret that exists in the app's namespace."""

    name: DnsSubdomain = Field(description="Secret in the app's namespace")
    key: SecretKey = Field(description="its entry that is the value")


def _read(value: object, as_entry: ValidatorFunctionWrapHandler) -> object:
    if isinstance(value, Mapping | SecretEntry):
        return as_entry(value)
    text = plain_to_text(value)
    if not isinstance(text, str):
        raise rule(
            "is a text, or name and key of a Secret's entry",
            remedy="put it in quotes, or write {name: SECRET, key: ENTRY}",
        )
    if "\0" in text:
        raise rule("is a text without NUL, which ends one", remedy="remove that character")
    return text


def _schema(_: object, handler: GetCoreSchemaHandler) -> CoreSchema:
    # A union would name each of its members in the place of a mistake.
    return core_schema.no_info_wrap_validator_function(_read, handler(SecretEntry))


Variable = Annotated[str | SecretEntry, GetPydanticSchema(_schema)]
Variables = Mapping[str, str | SecretEntry]


def plain(variables: Variables) -> dict[str, str]:
    """Give the variables whose value the stack config holds."""
    return {name: value for name, value in variables.items() if isinstance(value, str)}


def referenced(variables: Variables) -> dict[str, SecretEntry]:
    """Give the variables whose value an entry of a Secret holds."""
    return {name: value for name, value in variables.items() if isinstance(value, SecretEntry)}


def hub_endpoint(variables: Variables) -> str | None:
    """Give the mirror of the Hugging Face Hub that the pods ask, if one is named."""
    return plain(variables).get(HUB_ENDPOINT)


def variable_mistakes(variables: Variables, *, has_policies: bool) -> Iterator[Mistake]:
    """Find names that no variable has, credentials in clear, and references nothing could follow.

    No value is shown.

    Args:
        variables: of the container.
        has_policies: whether NetworkPolicies open the port of a proxy.
    """
    for name, value in sorted(plain(variables).items()):
        if is_secret_variable(name, value):
            what = "an address with a user" if has_user_info(value) else "a secret"
            yield Mistake(
                key=f"extraEnv.{name}",
                wrong=f"holds {what} in clear",
                rule=_IN_CLEAR,
                remedy=_INSTEAD.get(name)
                or (_PROXY if has_policies and name in PROXIES else _REFERENCE),
            )
    for name in sorted(variables):
        if not _NAME.fullmatch(name):
            yield Mistake(
                key=f"extraEnv.{name}",
                wrong="is no name of a variable",
                rule="it is letters, digits, '_', '-' and '.', and no digit or '..' at its start",
                remedy="write it like VLLM_LOGGING_LEVEL",
            )
    for name in sorted(referenced(variables).keys() & _INSTEAD.keys()):
        yield Mistake(
            key=f"extraEnv.{name}",
            wrong="refers to a Secret",
            rule="the preview asks the Hub for the model at this address"
            if name == HUB_ENDPOINT
            else "the token has keys of its own, which the download and the preview read",
            remedy=_INSTEAD[name],
        )
