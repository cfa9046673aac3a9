"""Where the Hugging Face token comes from when the stack config does not hold it."""

from __future__ import annotations

from dataclasses import dataclass

from planning.names import Names
from settings.models import StackSettings

TOKEN = "token"  # noqa: S105 - the name of an entry
"""The entry of a Secret that the stack makes, or that an operator makes for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalToken:
    """A value of a store that the External Secrets Operator copies into a Secret."""

    store: str
    store_kind: str
    key: str
    property: str | None
    refresh_interval: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSecret:
    """The Secret with the token, and its entry; `external` is what an operator makes it of."""

    name: str
    key: str
    external: ExternalToken | None = None


def plan_token(names: Names, settings: StackSettings) -> TokenSecret | None:
    """Name the Secret of the token, where it is not made of the stack config."""
    reference, asked = settings.hugging_face_token_secret, settings.hugging_face_token_external
    if asked is not None:
        external = ExternalToken(
            store=asked.store,
            store_kind=asked.store_kind,
            key=asked.key,
            property=asked.property,
            refresh_interval=asked.refresh_interval,
        )
        return TokenSecret(name=names.hugging_face_token, key=TOKEN, external=external)
    return TokenSecret(name=reference.name, key=reference.key) if reference else None
