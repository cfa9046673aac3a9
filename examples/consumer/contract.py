"""What this project needs of the producer's outputs, checked before anything is deployed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

KNOWN_VERSION = 1
"""Of schemas/outputs-v1.json."""


class ContractError(pulumi.RunError):
    """The producer's outputs cannot be used; Pulumi prints the one sentence without a traceback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """The outputs that this project reads; None where the producer has no such output."""

    producer: str
    app_host: str | None
    internal_url: str
    served_model_name: str
    namespace: str
    auth_type: str
    api_key_secret_name: str | None
    api_key_secret_key: str | None

    @property
    def address(self) -> str:
        """Where the client calls: the public address, or the one inside the cluster."""
        return self.app_host or self.internal_url


def read_contract(producer: str, outputs: Mapping[str, object]) -> Contract:
    """Take what is needed from a stack's outputs.

    Raises:
        ContractError: the contract's version is another, or an output is missing or of another
            type.
    """
    version = outputs.get("contractVersion")
    if version is None:
        raise ContractError(
            f"{producer} has no output contractVersion: deploy it first, or name another stack "
            "with `pulumi config set producer`"
        )
    if version != KNOWN_VERSION:
        shown = f"{version:g}" if isinstance(version, float) else version
        raise ContractError(
            f"{producer} has outputs of contract version {shown}, and this project knows version "
            f"{KNOWN_VERSION}: compare their tables, adapt contract.py and raise KNOWN_VERSION"
        )
    return Contract(
        producer=producer,
        app_host=_text(producer, outputs, "appHost"),
        internal_url=_required(producer, outputs, "internalUrl"),
        served_model_name=_required(producer, outputs, "servedModelName"),
        namespace=_required(producer, outputs, "namespace"),
        auth_type=_required(producer, outputs, "authType"),
        api_key_secret_name=_text(producer, outputs, "apiKeySecretName"),
        api_key_secret_key=_text(producer, outputs, "apiKeySecretKey"),
    )


def _text(producer: str, outputs: Mapping[str, object], name: str) -> str | None:
    value = outputs.get(name)
    if value is not None and not isinstance(value, str):
        raise ContractError(f"{producer} has an output {name} that is no text: it breaks version 1")
    return value


def _required(producer: str, outputs: Mapping[str, object], name: str) -> str:
    value = _text(producer, outputs, name)
    if value is None:
        raise ContractError(f"{producer} has no output {name}: it breaks version {KNOWN_VERSION}")
    return value
