"""Who may call: what the stack config may ask for, and what is planned of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from planning.api_keys import API_KEY_FILE, api_key_mistakes
from planning.auth import ApiKeyAuth, MiddlewareAuth, NoAuth, OidcAuth
from planning.exposure import MiddlewareReference
from planning.plan import Plan
from planning.stack import PlanError
from settings import parse
from settings.secret_keys import split_api_keys
from tests.choices import only, planned, preset
from tests.unit.auth_configs import FORWARD, HOST, OIDC, VALID, mistakes

KEY = "not-a-real-key-but-long-enough"
HASH = "$2y$05$notARealHashButOfTheRightShape"


def plan(auth: object, product: str = "l4", **ingress: object) -> Plan:
    return planned([preset(product)], ingress=HOST | {"auth": auth} | ingress)


@pytest.mark.parametrize(
    ("auth", "secrets"),
    [
        ("none", {}),
        ("apiKey", {}),
        ("apiKey", {"apiKeys": KEY}),
        ("apiKey", {"apiKeys": json.dumps([KEY, KEY + "2"])}),
        ({"kind": "apiKey", "secretName": "keys", "otherKeys": ["previous"]}, {}),
        ("basic", {"basicAuthUsers": f"someone:{HASH}\nanother:{{SHA}}bm90IGEgaGFzaA=="}),
        ({"kind": "basic", "secretName": "users"}, {}),
        (FORWARD | {"authResponseHeaders": ["X-User"], "trustForwardHeader": True}, {}),
        ({"kind": "middleware", "middlewares": [{"name": "login", "namespace": "edge"}]}, {}),
        (OIDC, {"oidcClientSecret": "not-a-real-secret"}),
        (OIDC | {"secretName": "client", "groups": ["llm"], "emailDomains": ["example.com"]}, {}),
    ],
)
def test_every_kind_is_accepted_with_what_it_needs(auth: object, secrets: dict[str, str]) -> None:
    assert mistakes(auth, secrets) == []


@pytest.mark.parametrize(
    ("auth", "secrets", "line"),
    [
        ("basic", {}, "basicAuthUsers: is missing; the kind 'basic' needs it"),
        (OIDC, {}, "oidcClientSecret: is missing; the kind 'oidc' needs it"),
        ({"kind": "forwardAuth"}, {}, "ingress.auth.address: is missing"),
        ({"kind": "middleware"}, {}, "ingress.auth.middlewares: is missing"),
        (
            {"kind": "apiKey", "address": "https://x.example"},
            {},
            "ingress.auth.address: is no key of the kind 'apiKey'; it belongs to forwardAuth",
        ),
        ({"kind": "apiKey", "key": "k"}, {}, "ingress.auth.key: is set without secretName"),
        (
            {"kind": "apiKey", "secretName": "keys"},
            {"apiKeys": KEY},
            "ingress.auth.secretName: is set beside apiKeys",
        ),
        ("none", {"apiKeys": KEY}, "apiKeys: is set, and ingress.auth is none; it belongs to"),
        ("apiKeys", {}, "ingress.auth.kind: 'apiKeys' is refused"),
        ({"kind": "apiKey", "secretNam": "x"}, {}, "ingress.auth.secretNam: is not a key"),
        (FORWARD | {"address": "login.example.com"}, {}, "ingress.auth.address: 'login.example"),
    ],
)
def test_what_contradicts_itself_is_one_mistake_that_names_the_key(
    auth: object, secrets: dict[str, str], line: str
) -> None:
    (found,) = mistakes(auth, secrets)
    assert found.startswith(line)


@pytest.mark.parametrize(
    "auth", ["basic", FORWARD, {"kind": "middleware", "middlewares": [{"name": "x"}]}, OIDC]
)
@pytest.mark.parametrize(
    "ingress",
    [{"className": "haproxy"}, {"kind": "gateway", "gateway": {"name": "edge"}}],
)
def test_a_kind_that_traefik_runs_is_refused_for_another_controller(
    auth: Any, ingress: dict[str, object]
) -> None:
    kind = auth if isinstance(auth, str) else auth["kind"]
    secrets = {"basic": {"basicAuthUsers": f"a:{HASH}"}, "oidc": {"oidcClientSecret": "x"}}
    (line,) = mistakes(auth, secrets.get(kind), ingress)
    assert line.startswith(f"ingress.auth: {kind} is asked of a controller other than Traefik")
    assert "apiKey" in line.rpartition(";")[2]
    assert mistakes(auth, secrets.get(kind), ingress | {"controller": "traefik"}) == []
    assert mistakes("apiKey", ingress=ingress) == []


@pytest.mark.parametrize(
    ("key", "value", "auth"),
    [
        ("apiKeys", "too-short", "apiKey"),
        ("apiKeys", f"-{KEY}", "apiKey"),
        ("apiKeys", f"{KEY}\u00e4", "apiKey"),
        ("apiKeys", "[]", "apiKey"),
        ("apiKeys", '["unfinished', "apiKey"),
        ("apiKeys", "[12345678901234567890]", "apiKey"),
        ("basicAuthUsers", "someone:a password in clear", "basic"),
        ("basicAuthUsers", f"{HASH}", "basic"),
    ],
)
def test_a_secret_of_no_use_is_refused_and_never_repeated(key: str, value: str, auth: str) -> None:
    (line,) = mistakes(auth, {key: value})
    assert line.startswith(f"{key}: ")
    assert value not in line


def test_every_secret_in_clear_is_refused() -> None:
    raw = VALID | {"ingress": json.dumps(HOST | {"auth": "apiKey"}), "apiKeys": KEY}
    (mistake,) = parse(raw, secret=frozenset()).mistakes
    assert "pulumi config set --secret apiKeys" in str(mistake)
    assert KEY not in str(mistake)


def test_an_address_with_a_password_is_not_repeated() -> None:
    (line,) = mistakes(FORWARD | {"address": "https://user:hunter2@login.example.com"})
    assert "hunter2" not in line


def test_a_token_comes_from_one_of_three_places() -> None:
    external = json.dumps({"store": "vault", "key": "llm/token"})
    raw = VALID | {"ingress": '{"enabled": false}'}
    sources = {
        "huggingFaceToken": "x",
        "huggingFaceTokenSecret": '{"name": "token"}',
        "huggingFaceTokenExternal": external,
    }
    for key, value in sources.items():
        secret = frozenset({key} & {"huggingFaceToken"})
        assert parse(raw | {key: value}, secret=secret).mistakes == ()
    mistake = only(parse(raw | sources, secret=frozenset({"huggingFaceToken"})).mistakes)
    assert mistake.key == "huggingFaceTokenExternal"
    assert "huggingFaceToken and huggingFaceTokenSecret" in mistake.wrong


def test_keys_are_lines_or_a_list_and_the_first_is_for_clients() -> None:
    assert split_api_keys("a\nb\n") == split_api_keys('["a", "b"]') == ("a", "b")
    own = plan("apiKey")
    assert own.api_key_secret == ("vllm-api-key", "api-key")
    existing = plan({"kind": "apiKey", "secretName": "keys", "key": "now", "otherKeys": ["old"]})
    assert existing.api_key_secret == ("keys", "now")
    assert isinstance(existing.auth, ApiKeyAuth)
    assert existing.auth.entries == ("now", "old")
    assert plan("none").api_key_secret is None


def test_keys_hold_without_a_way_in_and_the_other_kinds_do_not() -> None:
    assert isinstance(plan("apiKey", enabled=False).auth, ApiKeyAuth)
    assert plan(OIDC, enabled=False).auth == NoAuth()


def test_the_command_line_names_the_file_and_only_the_leader_reads_it() -> None:
    assert plan("apiKey").server.args[-2:] == ("--config", API_KEY_FILE)
    assert "--config" not in plan("none").server.args
    large = planned(
        [preset("h100-80", 8, price=30)],
        model="mistral-large-3",
        multiNode={"maxNodes": 2},
        cache={"accessMode": "ReadWriteMany"},
        ingress=HOST | {"auth": "apiKey"},
    )
    assert "--config" in large.server.args
    assert "--config" not in large.server.worker_args


@pytest.mark.parametrize(("release", "refused"), [("0.19.1", 1), ("0.20.2", 1), ("0.31.0", 0)])
def test_keys_are_refused_for_a_release_that_writes_them_into_its_log(
    release: str, refused: int
) -> None:
    assert len(api_key_mistakes("apiKey", release)) == refused
    assert api_key_mistakes("basic", release) == ()


def test_an_old_gpu_whose_image_logs_the_keys_is_refused_at_preview() -> None:
    with pytest.raises(PlanError) as caught:
        plan("apiKey", product="v100-32")
    assert only(caught.value.mistakes).key == "ingress.auth"


@pytest.mark.parametrize(
    ("image", "warned"),
    [
        ("nvcr.io/nvidia/vllm:25.10-py3", True),
        (f"vllm/vllm-openai@sha256:{'0' * 64}", True),
        ("vllm/vllm-openai:v0.31.0", False),
        (f"vllm/vllm-openai:v0.31.0@sha256:{'0' * 64}", False),
        (None, False),
    ],
)
def test_keys_for_an_image_of_an_unknown_release_are_warned_of(
    image: str | None, warned: bool
) -> None:
    def warnings(auth: str) -> list[str]:
        found = planned([preset("l4")], ingress=HOST | {"auth": auth}, image=image).warnings
        return [text for text in found if "writes the keys into its log" in text]

    assert len(warnings("apiKey")) == warned
    assert warnings("none") == []


@pytest.mark.parametrize("flag", ["--middleware", "--middle", "--middleware=mine.Own"])
def test_code_that_runs_before_the_check_of_keys_is_refused_with_keys_alone(flag: str) -> None:
    extra = [flag] if "=" in flag else [flag, "mine.Own"]
    with pytest.raises(PlanError) as caught:
        planned([preset("l4")], ingress=HOST | {"auth": "apiKey"}, serverExtraArgs=extra)
    mistake = only(caught.value.mistakes)
    assert (mistake.key, "--middleware" in mistake.wrong) == ("serverExtraArgs", True)
    assert "mine" not in str(mistake)
    for auth in ("none", FORWARD):
        planned([preset("l4")], ingress=HOST | {"auth": auth}, serverExtraArgs=extra)


def test_only_an_open_way_in_is_warned_of() -> None:
    def warned(auth: object) -> bool:
        return any(text.startswith("ingress.auth") for text in plan(auth).warnings)

    assert warned("none")
    assert not [auth for auth in ("apiKey", FORWARD, OIDC) if warned(auth)]


def test_middlewares_are_named_in_their_order_and_default_to_the_namespace_of_the_app() -> None:
    auth = {"kind": "middleware", "middlewares": [{"name": "b"}, {"name": "a", "namespace": "x"}]}
    found = plan(auth)
    expected = (
        MiddlewareReference(namespace="llm", name="b"),
        MiddlewareReference(namespace="x", name="a"),
    )
    assert found.auth == MiddlewareAuth(middlewares=expected)
    assert found.ingress is not None
    assert found.ingress.middlewares == expected


def test_oauth2_proxy_has_an_image_of_a_fixed_release() -> None:
    auth = plan(OIDC).auth
    assert isinstance(auth, OidcAuth)
    assert auth.image.rpartition(":")[2].startswith("v")
