"""Whom a kind of authentication lets in or out against what its words seem to say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from planning.stack import PlanError
from settings import parse
from tests.choices import only, planned, preset
from tests.unit.auth_configs import FORWARD, HOST, OIDC, VALID, mistakes


@pytest.mark.parametrize(
    ("auth", "key"),
    [
        (OIDC | {"groups": [""]}, "groups[0]"),
        (OIDC | {"groups": ["two\nlines"]}, "groups[0]"),
        (OIDC | {"audiences": [" "]}, "audiences[0]"),
        (OIDC | {"emailDomains": ["example.com", "@example.com"]}, "emailDomains[1]"),
        (OIDC | {"emailDomains": ["a.example,b.example"]}, "emailDomains[0]"),
        (OIDC | {"clientId": ""}, "clientId"),
        (OIDC | {"issuer": "https://issuer.example.com:99999"}, "issuer"),
        (FORWARD | {"authResponseHeaders": ["X User"]}, "authResponseHeaders[0]"),
    ],
)
def test_a_text_that_would_admit_nobody_or_everybody_is_one_mistake(
    auth: dict[str, object], key: str
) -> None:
    """Without a second one about its secret, which belongs to the kind that was asked for."""
    secrets = {"oidcClientSecret": "not-a-real-secret"} if auth["kind"] == "oidc" else {}
    (line,) = mistakes(auth, secrets)
    assert line.startswith(f"ingress.auth.{key}: ")


@pytest.mark.parametrize("domain", ["*", "example.com", ".example.com", "*.example.com"])
def test_domains_of_addresses_are_those_that_oauth2_proxy_knows(domain: str) -> None:
    assert mistakes(OIDC | {"secretName": "client", "emailDomains": [domain]}, {}) == []


def test_the_secret_that_the_stack_makes_is_none_that_exists() -> None:
    own = {"kind": "apiKey", "secretName": "vllm-api-key"}
    with pytest.raises(PlanError) as caught:
        planned([preset("l4")], ingress=HOST | {"auth": own})
    assert only(caught.value.mistakes).key == "ingress.auth.secretName"
    planned([preset("l4")], name="another", ingress=HOST | {"auth": own})


@pytest.mark.parametrize("reference", [{"name": ""}, {"name": "token", "key": "a b"}])
def test_a_token_in_a_secret_that_cannot_exist_is_refused(reference: dict[str, str]) -> None:
    asked = {"ingress": HOST, "huggingFaceTokenSecret": reference}
    raw = VALID | {key: json.dumps(value) for key, value in asked.items()}
    (mistake,) = parse(raw, secret=frozenset()).mistakes
    assert mistake.key.startswith("huggingFaceTokenSecret.")


@pytest.mark.parametrize(
    ("auth", "scaling", "warned"),
    [
        ("none", {"minReplicas": 0}, None),
        ("apiKey", {}, None),
        ("apiKey", {"minReplicas": 0}, "starts one where none runs"),
        ("apiKey", {"minReplicas": 2, "idleReplicas": 0}, "starts one where none runs"),
        (FORWARD, {}, "every pod of the cluster that reaches the interceptor may call"),
        (OIDC, {"interceptor": {"namespace": "scaling"}}, "the namespace scaling"),
        (FORWARD, {"enabled": False}, None),
    ],
)
def test_what_passes_by_the_interceptor_is_warned_of(
    auth: object, scaling: dict[str, object], warned: str | None
) -> None:
    scaled = {"enabled": True} | scaling
    keys: dict[str, Any] = {"cache": {"storage": "none"}, "autoscaling": scaled}
    way = HOST | {"auth": auth, "tls": {"secretName": "tls"}}
    found = [
        text
        for text in planned([preset("l4")], ingress=way, **keys).warnings
        if text.startswith("ingress.auth: ") and not text.startswith("ingress.auth: none")
    ]
    assert len(found) == (0 if warned is None else 1)
    assert warned is None or warned in found[0]
    closed = planned([preset("l4")], ingress=way | {"enabled": False}, **keys)
    assert not [text for text in closed.warnings if text.startswith("ingress.auth")]


@pytest.mark.parametrize("kind", ["basic", "oidc", "forwardAuth", "middleware"])
@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("closed", [True, False])
def test_a_kind_that_holds_at_the_way_in_alone_says_where_it_does_not(
    kind: str, enabled: bool, closed: bool
) -> None:
    auths = {
        "basic": {"kind": "basic", "secretName": "users"},
        "oidc": OIDC | {"secretName": "client"},
        "forwardAuth": FORWARD,
        "middleware": {"kind": "middleware", "middlewares": [{"name": "login"}]},
    }
    way = HOST | {"auth": auths[kind], "enabled": enabled}
    warnings = planned([preset("l4")], ingress=way, network={"enabled": closed}).warnings
    passed_by = [text for text in warnings if text.startswith("network.enabled: false")]
    without_effect = [text for text in warnings if text.startswith("ingress.enabled: false")]
    assert len(passed_by) == (enabled and not closed)
    assert len(without_effect) == (not enabled)
    assert all(f"ingress.auth {kind}" in text for text in passed_by + without_effect)


@pytest.mark.parametrize("auth", ["none", "apiKey"])
@pytest.mark.parametrize("enabled", [True, False])
def test_keys_that_the_server_checks_hold_without_policies_and_without_a_way_in(
    auth: str, enabled: bool
) -> None:
    way = HOST | {"auth": auth, "enabled": enabled}
    warnings = planned([preset("l4")], ingress=way, network={"enabled": False}).warnings
    keys = ("network.enabled: false", "ingress.enabled: false")
    assert not [text for text in warnings if text.startswith(keys)]


@pytest.mark.parametrize(
    ("query", "refused"),
    [
        ("token=correct-horse", True),
        ("tenant=llm&api_key=correct-horse", True),
        ("tenant=llm&client-secret=correct-horse", True),
        ("X-Amz-Signature=correct-horse", True),
        ("as=hf_correcthorsebatterystaple", True),
        ("tenant=llm", False),
        ("redirect=false&keys=", False),
    ],
)
def test_an_address_with_a_secret_in_its_query_is_refused_and_not_repeated(
    query: str, refused: bool
) -> None:
    auth = FORWARD | {"address": f"https://login.example.com/verify?{query}"}
    if not refused:
        planned([preset("l4")], ingress=HOST | {"auth": auth})
        return
    with pytest.raises(PlanError) as caught:
        planned([preset("l4")], ingress=HOST | {"auth": auth})
    mistake = only(caught.value.mistakes)
    assert mistake.key == "ingress.auth.address"
    assert "correct" not in str(mistake)
