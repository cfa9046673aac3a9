"""The ExternalSecret that copies the Hugging Face token from a store into a Secret."""

from __future__ import annotations

from typing import Any

from planning.token import ExternalToken, TokenSecret

API_VERSION = "external-secrets.io/v1"
KIND = "ExternalSecret"


def external_secret_spec(token: TokenSecret, external: ExternalToken) -> dict[str, Any]:
    """Build the spec; its operator owns the Secret, which goes with it."""
    part = {"property": external.property} if external.property else {}
    return {
        "refreshInterval": external.refresh_interval,
        "secretStoreRef": {"kind": external.store_kind, "name": external.store},
        "target": {"name": token.name, "creationPolicy": "Owner"},
        "data": [{"secretKey": token.key, "remoteRef": {"key": external.key} | part}],
    }
