"""Every kind of authentication at the way in, through the real Traefik, and its secrets."""

import base64
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import closed
from tests.cluster.arguments import show
from tests.cluster.closed import MIDDLEWARE, PROXY, expect_door
from tests.cluster.exposed import Exposed, exposed_stack
from tests.cluster.identity import Issuer, deployed_proxy, login_server, probe_status
from tests.cluster.login_server import ADDRESS
from tests.cluster.sandboxes import Sandbox

pytestmark = pytest.mark.cluster

NAMESPACE = "llm-auth"
HOST = "auth.example.com"
GATEWAY_HOST = "auth.gateway.example.com"
GATEWAY = {
    "kind": "gateway",
    "gateway": {"name": "traefik", "namespace": "traefik"},
    "controller": "traefik",
}
TOKEN = "hf_NotARealTokenButLongEnough"
PASSWORD = "not-a-real-password"
PASSWORD_HASH = "$2y$05$NotARealSaltButLongEnOpynt/70K81AhyTaLtbFfafzBeg/Hzp."
CLIENT_SECRET = "not-a-real-client-secret"
OWN = f"{NAMESPACE}-vllm-authentication@kubernetescrd"
MIDDLEWARES_OF_OTHERS = "---".join(
    f"""
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {{name: {name}, namespace: {NAMESPACE}}}
spec: {{forwardAuth: {{address: "{ADDRESS}/others"}}}}
"""
    for name in ("login", "login.v2")
)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A value of `ingress.auth`, the secrets beside it, and what the stack makes for it."""

    auth: dict[str, Any]
    secrets: dict[str, str] = field(default_factory=dict[str, str])
    made: frozenset[str] = frozenset()
    middleware: str
    """What the ingress names, as Traefik calls it."""

    held: frozenset[str] = frozenset()
    """Texts that stand in a Secret and nowhere else."""


KINDS = {
    "basic": Kind(
        auth={"kind": "basic"},
        secrets={"basicAuthUsers": f"someone:{PASSWORD_HASH}"},
        made=frozenset({MIDDLEWARE}),
        middleware=OWN,
        held=frozenset({PASSWORD_HASH}),
    ),
    "forwardAuth": Kind(
        auth={"kind": "forwardAuth", "address": f"{ADDRESS}/own"},
        made=frozenset({MIDDLEWARE}),
        middleware=OWN,
    ),
    "middleware": Kind(
        auth={"kind": "middleware", "middlewares": [{"name": "login"}]},
        middleware=f"{NAMESPACE}-login@kubernetescrd",
    ),
    "oidc": Kind(
        auth={"kind": "oidc", "issuer": ADDRESS, "clientId": "vllm", "groups": ["llm"]},
        secrets={"oidcClientSecret": CLIENT_SECRET},
        made=PROXY | {MIDDLEWARE},
        middleware=OWN,
        held=frozenset({CLIENT_SECRET}),
    ),
}
Headers = dict[str, str]


def basic(user: str, password: str) -> Headers:
    """The header of a user (RFC 7617)."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@dataclass(frozen=True, kw_only=True)
class Closed:
    """The stack with a kind of authentication, deployed, and what callers may bring."""

    exposed: Exposed
    name: str
    logs: Path
    admitted: Headers
    refused: Sequence[Headers]

    @property
    def kind(self) -> Kind:
        return KINDS[self.name]


@pytest.fixture(scope="module")
def issuers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Issuer, Issuer]:
    """Who signs the tokens, and somebody else."""
    folder = tmp_path_factory.mktemp("issuers")
    return Issuer(folder / "known"), Issuer(folder / "other")


def callers(name: str, known: Issuer, other: Issuer) -> tuple[Headers, list[Headers]]:
    """Headers of one who may call, and of those who may not."""
    own, others = {"Cookie": "session=own"}, {"Cookie": "session=others"}
    match name:
        case "basic":
            refused = [basic("someone", "wrong"), basic("nobody", PASSWORD)]
            return basic("someone", PASSWORD), refused
        case "forwardAuth":
            return own, [others]
        case "middleware":
            return others, [own]
        case _:
            refused = [
                other.bearer(),
                known.bearer(aud="another"),
                known.bearer(exp=1),
                known.bearer(iss="http://elsewhere.example.com"),
                known.bearer(groups=["others"]),
                {"Authorization": "Bearer no-token"},
                basic("vllm", CLIENT_SECRET),
            ]
            return known.bearer(), refused


@pytest.fixture(scope="module")
def stack(
    full_sandbox: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
    issuers: tuple[Issuer, Issuer],
) -> Iterator[Exposed]:
    """A stack with a token, open to everybody at first, beside a Middleware of somebody else."""
    folder = tmp_path_factory.mktemp("auth")
    log = folder / "login.log"
    with (
        exposed_stack(full_sandbox, folder, NAMESPACE) as made,
        login_server(full_sandbox, log, issuers[0]),
    ):
        made.configure(cache={"storage": "none"}, autoscaling={"enabled": False})
        made.project.succeed("config", "set", "--secret", "huggingFaceToken", given=TOKEN)
        made.up(ingress={"host": HOST})
        full_sandbox.apply(MIDDLEWARES_OF_OTHERS)
        yield made


def test_without_authentication_the_token_stands_in_its_secret_alone(stack: Exposed) -> None:
    found = closed.objects(stack)
    assert closed.made(found) == set()
    assert TOKEN in closed.hidden_values(found)
    assert closed.where_in_clear(stack, closed.hidden_values(found), found) == []
    assert closed.router_middlewares(stack) is None
    # What does stand in clear is found.
    show(HOST, stack.arguments)
    places = closed.where_in_clear(stack, {HOST}, found)
    shown = {"Ingress/vllm", "what pulumi said", "stack export", "arguments of processes"}
    assert shown | {str(stack.project.stack_file)} <= {*places}
    state = [place for place in places if Path(place).is_relative_to(stack.project.backend)]
    assert any(place.endswith(".json") for place in state), state


def test_a_middleware_whose_name_traefik_changes_lets_nobody_pass_by(
    stack: Exposed, issuers: tuple[Issuer, Issuer]
) -> None:
    named = {"kind": "middleware", "middlewares": [{"name": "login.v2"}]}
    stack.up(ingress={"host": HOST, "auth": named})
    admitted, refused = callers("middleware", *issuers)
    expect_door(stack, f"http://{HOST}", admitted, refused)


@pytest.fixture(scope="module", params=KINDS)
def door(
    request: pytest.FixtureRequest,
    stack: Exposed,
    issuers: tuple[Issuer, Issuer],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Closed]:
    """Each kind in turn, deployed; for `oidc` with what its Deployment would run."""
    kind = KINDS[request.param]
    logs = tmp_path_factory.mktemp("logs")
    closed.deploy(stack, kind.secrets, ingress={"host": HOST, "auth": kind.auth})
    admitted, refused = callers(request.param, *issuers)
    with ExitStack() as beside:
        if request.param == "oidc":
            beside.enter_context(deployed_proxy(stack, logs / "oauth2-proxy.log"))
        yield Closed(
            exposed=stack, name=request.param, logs=logs, admitted=admitted, refused=refused
        )
    closed.remove(stack, *kind.secrets)


def test_a_kind_of_authentication_makes_its_objects_and_changes_nothing_twice(
    door: Closed,
) -> None:
    exposed, kind = door.exposed, door.kind
    closed.expect_no_changes(exposed)
    assert closed.made(closed.objects(exposed)) == kind.made
    assert closed.router_middlewares(exposed) == kind.middleware
    assert closed.get(exposed, "deployment", "vllm")["status"]["readyReplicas"] == 1
    # The namespace enforces `restricted`, so pods that run satisfy it.
    component = "--selector=app.kubernetes.io/component=authentication"
    phases = [pod["status"]["phase"] for pod in closed.get(exposed, "pods", component)["items"]]
    assert phases == ["Running"] * (2 if door.name == "oidc" else 0)


def test_a_caller_without_the_credential_gets_401_and_one_with_it_an_answer(door: Closed) -> None:
    expect_door(door.exposed, f"http://{HOST}", door.admitted, door.refused)
    if door.name == "oidc":
        assert probe_status(door.exposed, "readinessProbe") == 200
        assert probe_status(door.exposed, "livenessProbe") == 200


def test_a_route_of_a_gateway_asks_the_same_of_its_callers(door: Closed) -> None:
    way = {"host": GATEWAY_HOST, "auth": door.kind.auth, **GATEWAY}
    door.exposed.up(ingress=way)
    expect_door(door.exposed, f"http://{GATEWAY_HOST}", door.admitted, door.refused)


def test_its_secrets_stand_in_secrets_alone_also_after_calls(door: Closed) -> None:
    found = closed.objects(door.exposed)
    hidden = closed.hidden_values(found)
    assert {TOKEN, *door.kind.held} <= hidden
    sent = door.admitted.get("Authorization", PASSWORD).rpartition(" ")[2]
    values = hidden | {sent, PASSWORD}
    assert closed.where_in_clear(door.exposed, values, found, door.logs) == []
