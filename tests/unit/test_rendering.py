"""Stacks that render manifests: nothing secret may end up in a file."""

import json
from typing import Any

import pytest

from docs.tables import ROOT
from settings.parse import parse
from settings.stack_files import read_stack_file

RENDERED = {"kubernetes": json.dumps({"renderTo": "rendered"})}


def lines(auth: dict[str, Any] | None = None, **secrets: str) -> list[str]:
    raw = read_stack_file(ROOT / "Pulumi.dev.yaml").raw | RENDERED | secrets
    if auth is not None:
        raw["ingress"] = json.dumps({"host": "llm.example.com", "auth": auth})
    return [str(mistake) for mistake in parse(raw, secret=frozenset(secrets)).mistakes]


@pytest.mark.parametrize(
    ("auth", "key", "value"),
    [
        (None, "huggingFaceToken", "hf_NotARealToken"),
        ({"kind": "apiKey"}, "apiKeys", "a-key-of-many-characters"),
        ({"kind": "basic"}, "basicAuthUsers", "reader:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="),
    ],
)
def test_a_secret_of_the_stack_file_is_refused_with_the_way_out(
    auth: dict[str, Any] | None, key: str, value: str
) -> None:
    (line,) = lines(auth, **{key: value})
    assert line.startswith(f"{key}: is set; kubernetes.renderTo writes every object into a file")
    assert "name a Secret that exists in" in line
    assert value not in line


@pytest.mark.parametrize("auth", [{"kind": "apiKey"}, "apiKey"])
def test_a_key_that_would_be_made_is_refused(auth: Any) -> None:
    (line,) = lines(auth)
    assert line.startswith("ingress.auth: apiKey makes a key; ")


def test_a_proxy_with_a_secret_of_its_own_is_refused() -> None:
    oidc = {"kind": "oidc", "issuer": "https://login.example.com", "clientId": "llm"}
    (line,) = lines(oidc | {"secretName": "client"})
    assert line.startswith("ingress.auth: oidc makes the Secret")


@pytest.mark.parametrize(
    "auth",
    [
        {"kind": "none"},
        {"kind": "apiKey", "secretName": "keys"},
        {"kind": "basic", "secretName": "users"},
        {"kind": "forwardAuth", "address": "https://login.example.com"},
    ],
)
def test_what_needs_no_secret_of_the_stack_is_rendered(auth: dict[str, Any]) -> None:
    assert lines(auth) == []
