"""Secrets that the stack config names, and what the preview says of one that is not there."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cluster.named_secrets import secret_warnings
from planning.named_secrets import named_secrets
from tests.choices import planned, preset
from tests.unit.auth_configs import OIDC
from tests.unit.test_settings import only

PROMETHEUS = {"address": "https://prometheus.example.com"}
SCALED = {"enabled": True, "requestsWaiting": 2}
CALLERS = {"host": "llm.example.com"}


def said(there: Mapping[str, tuple[str, ...]], **keys: object) -> list[str]:
    """What the preview says where these Secrets are there, each with its entries."""
    plan = planned([preset("l4")], stack="dev", **keys)
    return [
        line
        for named in named_secrets(plan)
        for line in secret_warnings(named, "llm", there.get(named.name))
    ]


def test_a_token_that_the_pods_would_wait_for_is_warned_of() -> None:
    asked = {"huggingFaceTokenSecret": {"name": "hugging-face"}}
    assert said({}, **asked) == [
        "huggingFaceTokenSecret.name: there is no Secret 'hugging-face' in namespace llm; "
        "the pods wait for it until 'pulumi up' fails"
    ]
    assert said({"hugging-face": ("hf", "read")}, **asked) == [
        "huggingFaceTokenSecret.key: the Secret 'hugging-face' has no entry 'token' "
        "(it has hf, read); the pods wait for it until 'pulumi up' fails"
    ]
    assert said({"hugging-face": ("token",)}, **asked) == []


@pytest.mark.parametrize(
    ("keys", "entries"),
    [
        (
            {"ingress": CALLERS | {"auth": {"kind": "apiKey", "secretName": "named"}}},
            {"ingress.auth.key": "api-key"},
        ),
        (
            {
                "ingress": {
                    "enabled": False,
                    "auth": {
                        "kind": "apiKey",
                        "secretName": "named",
                        "key": "new",
                        "otherKeys": ["old", "older"],
                    },
                }
            },
            {
                "ingress.auth.key": "new",
                "ingress.auth.otherKeys[0]": "old",
                "ingress.auth.otherKeys[1]": "older",
            },
        ),
        (
            {"ingress": CALLERS | {"auth": OIDC | {"secretName": "named"}}},
            {"ingress.auth.key": "client-secret"},
        ),
        ({"ingress": CALLERS | {"auth": {"kind": "basic", "secretName": "named"}}}, {}),
        (
            {"ingress": CALLERS | {"tls": {"kind": "secret", "secretName": "named"}}},
            {"ingress.tls.secretName": "tls.key"},
        ),
        (
            {
                "autoscaling": SCALED
                | {
                    "prometheus": PROMETHEUS
                    | {"tokenSecret": {"name": "named", "key": "bearer", "caKey": "ca"}}
                }
            },
            {
                "autoscaling.prometheus.tokenSecret.key": "bearer",
                "autoscaling.prometheus.tokenSecret.caKey": "ca",
            },
        ),
        ({"imagePullSecrets": ["named"]}, {}),
    ],
)
def test_a_secret_that_is_missing_or_lacks_an_entry_is_named_by_its_key(
    keys: dict[str, object], entries: dict[str, str]
) -> None:
    (line,) = said({}, **keys)
    assert "there is no Secret 'named' in namespace llm; " in line
    assert said({"named": (*entries.values(), "tls.crt")}, **keys) == []
    lacking = said({"named": ("tls.crt",)}, **keys)
    assert [line.split(": ")[0] for line in lacking] == list(entries)
    for line, entry in zip(lacking, entries.values(), strict=True):
        assert f"the Secret 'named' has no entry '{entry}' (it has tls.crt); " in line


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"ingress": CALLERS | {"auth": {"kind": "apiKey"}}},
        {"ingress": {"enabled": False, "auth": {"kind": "basic", "secretName": "named"}}},
        {"ingress": CALLERS | {"tls": {"kind": "certManager", "issuer": "a", "secretName": "b"}}},
    ],
)
def test_a_secret_that_is_not_used_or_that_others_make_is_not_looked_for(
    keys: dict[str, object],
) -> None:
    plan = planned([preset("l4")], stack="dev", **keys)
    assert list(named_secrets(plan)) == []


def test_a_pull_secret_that_is_named_twice_is_refused() -> None:
    assert only({"imagePullSecrets": '["a", "b", "a"]'}) == (
        "imagePullSecrets[2]: 'a' is there 2 times; the API server takes each name once; remove it"
    )
