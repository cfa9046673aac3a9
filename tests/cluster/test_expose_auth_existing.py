"""Authentication of a scaled stack by Secrets that exist, and how one kind follows another."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.cluster import closed
from tests.cluster.closed import expect_door, preflight_status, tell_stand_in
from tests.cluster.exposed import Exposed, counted, exposed_stack
from tests.cluster.identity import Issuer, deployed_proxy, login_server
from tests.cluster.keyed_pods import (
    Clients,
    bearer,
    only_server_pod,
    wait_until_alone,
    with_every_pod,
)
from tests.cluster.login_server import ADDRESS as ISSUER
from tests.cluster.sandboxes import Sandbox

pytestmark = pytest.mark.cluster

NAMESPACE = "llm-auth-existing"
HOST = "existing.example.com"
ADDRESS = f"http://{HOST}"
PASSWORD, CHANGED = "not-a-real-password", "another-password-that-is-not-real"
CLIENT_SECRET = "not-a-real-client-secret"
CURRENT, PREVIOUS = "not-a-real-key-but-long-enough", "neither-is-this-one-a-real-key"
TOKEN = "hf_NotARealTokenButLongEnough"
GROUP = "cn=llm,ou=apps"


def users(password: str) -> str:
    """A line of htpasswd."""
    digest = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return f"someone:{{SHA}}{base64.b64encode(digest).decode()}\n"


def basic(password: str) -> dict[str, str]:
    pair = base64.b64encode(f"someone:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def apply_secret(exposed: Exposed, name: str, entries: Mapping[str, str]) -> None:
    """Make a Secret as an administrator would."""
    metadata = {"name": name, "namespace": NAMESPACE}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": entries}
    exposed.sandbox.apply(json.dumps(secret))


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return Issuer(tmp_path_factory.mktemp("issuer") / "known")


@pytest.fixture(scope="module")
def stack(full_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exposed]:
    with exposed_stack(full_sandbox, tmp_path_factory.mktemp("existing"), NAMESPACE) as made:
        made.project.succeed("config", "set", "--secret", "huggingFaceToken", given=TOKEN)
        made.up(
            cache={"storage": "none"}, autoscaling={"enabled": True}, ingress={"enabled": False}
        )
        apply_secret(made, "people", {"users": users(PASSWORD)})
        apply_secret(made, "client", {"of-vllm": CLIENT_SECRET})
        apply_secret(made, "keys", {"current": CURRENT, "previous": PREVIOUS})
        yield made
    with_every_pod(made, loading=False)


def deploy(exposed: Exposed, auth: Mapping[str, object]) -> None:
    exposed.up(ingress={"host": HOST, "auth": auth})


def test_tokens_are_taken_of_every_audience_group_and_domain_that_is_named_and_no_other(
    stack: Exposed, known: Issuer, tmp_path: Path
) -> None:
    asked = {
        "kind": "oidc",
        "issuer": ISSUER,
        "clientId": "vllm",
        "audiences": ["notebooks"],
        "groups": [GROUP],
        "emailDomains": ["example.com"],
        "secretName": "client",
        "key": "of-vllm",
    }
    deploy(stack, asked)
    caller = {"email": "someone@example.com", "groups": [GROUP]}
    refused = [
        known.bearer(**caller, aud="another"),
        known.bearer(**caller | {"groups": ["cn=llm"]}),
        known.bearer(**caller | {"groups": ["ou=apps"]}),
        known.bearer(**caller | {"email": "someone@elsewhere.example"}),
        known.bearer(**caller | {"email": "someone@sub.example.com"}),
        known.bearer(**caller, email_verified=False),
        known.bearer(groups=[GROUP]),
    ]
    log = tmp_path / "oauth2-proxy.log"
    with login_server(stack.sandbox, tmp_path / "login.log", known), deployed_proxy(stack, log):
        expect_door(stack, ADDRESS, known.bearer(**caller), refused)
        assert stack.ask(ADDRESS, headers=known.bearer(**caller, aud="notebooks")).status == 200
        assert preflight_status(stack, ADDRESS) == 401
    assert CLIENT_SECRET not in log.read_text()


def test_users_follow_their_secret_and_who_is_refused_is_not_counted(stack: Exposed) -> None:
    deploy(stack, {"kind": "basic", "secretName": "people"})
    expect_door(stack, ADDRESS, basic(PASSWORD), [basic(CHANGED)])
    before = counted(stack)
    assert stack.ask(ADDRESS, headers=basic(CHANGED)).status == 401
    assert counted(stack) == before
    assert stack.ask(ADDRESS, headers=basic(PASSWORD)).status == 200
    assert counted(stack) == before + 1
    assert preflight_status(stack, ADDRESS) == 401
    apply_secret(stack, "people", {"users": users(CHANGED)})
    stack.eventually(200, ADDRESS, headers=basic(CHANGED))
    assert stack.ask(ADDRESS, headers=basic(PASSWORD)).status == 401


def test_callers_are_asked_all_the_while_that_keys_take_the_place_of_passwords(
    stack: Exposed,
) -> None:
    stack.up(autoscaling={"enabled": False})
    old = only_server_pod(stack)
    wait_until_alone(stack, ADDRESS, basic(CHANGED), old)
    with_every_pod(stack, loading=True)
    tell_stand_in(stack, "/pods", address=old["status"]["podIP"], loading=False)
    clients = Clients(stack, ADDRESS, {"nobody": {}, "with a key": bearer(CURRENT)})
    with clients.busy():
        auth = {"kind": "apiKey", "secretName": "keys", "key": "current", "otherKeys": ["previous"]}
        deploy(stack, auth)
        pod = only_server_pod(stack)
        clients.until_told(pod)
        clients.until_let_in("with a key")
    assert clients.statuses["nobody"][401] > 20
    assert clients.statuses["nobody"][200] == 0
    wait_until_alone(stack, ADDRESS, bearer(CURRENT), pod)
    expect_door(stack, ADDRESS, bearer(CURRENT), [basic(CHANGED), bearer(f"{CURRENT}{PREVIOUS}")])
    assert stack.ask(ADDRESS, headers=bearer(PREVIOUS)).status == 200
    produced = stack.outputs()
    assert (produced["apiKeySecretName"], produced["apiKeySecretKey"]) == ("keys", "current")


def test_what_secrets_that_exist_hold_stands_nowhere_else(stack: Exposed) -> None:
    found = closed.objects(stack)
    assert TOKEN in closed.hidden_values(found)
    values = {CLIENT_SECRET, CURRENT, PREVIOUS, PASSWORD, CHANGED, users(CHANGED).strip(), TOKEN}
    # `kubectl apply` writes what it was given into an annotation of the Secret itself.
    assert closed.where_in_clear(stack, values, found) == []
