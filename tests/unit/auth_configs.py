"""Stack configs with an authentication, and what is said against them."""

from __future__ import annotations

import json

from settings import parse

HOST = {"host": "llm.example.com"}
VALID = {
    "model": "mistral-7b-instruct",
    "presets": json.dumps(
        [{"name": "l4", "vendor": "nvidia", "product": "l4", "gpus": 1, "cpu": 4, "memory": "8Gi"}]
    ),
    "kubernetes": '{"context": "sandbox"}',
}
OIDC = {"kind": "oidc", "issuer": "https://issuer.example.com", "clientId": "vllm"}
FORWARD = {"kind": "forwardAuth", "address": "https://login.example.com/verify"}


def mistakes(
    auth: object, secrets: dict[str, str] | None = None, ingress: dict[str, object] | None = None
) -> list[str]:
    """Parse a config with an authentication, and give its mistakes as lines."""
    section = json.dumps(HOST | {"auth": auth} | (ingress or {}))
    found = parse(
        VALID | {"ingress": section} | (secrets or {}), secret=frozenset(secrets or {})
    ).mistakes
    return [str(mistake) for mistake in found]
