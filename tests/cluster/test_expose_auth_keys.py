"""The API keys that the server checks itself: through the interceptor, and while they change."""

from collections.abc import Iterator

import pytest

from tests.cluster import closed
from tests.cluster.closed import CLIENT_KEY, expect_door, read_secret
from tests.cluster.exposed import Exposed, counted, exposed_stack
from tests.cluster.keyed_pods import (
    Clients,
    bearer,
    keys_read_by,
    only_server_pod,
    secret_read_by,
    wait_until_alone,
    with_every_pod,
)
from tests.cluster.sandboxes import Sandbox

pytestmark = pytest.mark.cluster

NAMESPACE = "llm-auth-keys"
HOST = "keys.example.com"
ADDRESS = f"http://{HOST}"
INGRESS = {"host": HOST, "auth": "apiKey"}
NEW = "not-a-real-key-but-long-enough"
TOKEN = "hf_NotARealTokenButLongEnough"
STORE = {"store": "vault", "storeKind": "ClusterSecretStore", "key": "models", "property": "hf"}


@pytest.fixture(scope="module")
def stack(full_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exposed]:
    """A scaled stack with a generated key, and a token that another operator fetches."""
    with exposed_stack(full_sandbox, tmp_path_factory.mktemp("keys"), NAMESPACE) as made:
        closed.deploy(
            made,
            {},
            cache={"storage": "none"},
            huggingFaceTokenExternal=STORE,
            autoscaling={"enabled": True},
            ingress=INGRESS,
        )
        yield made
    with_every_pod(made, loading=False)


@pytest.fixture(scope="module")
def generated(stack: Exposed) -> str:
    """The key that clients in the cluster read."""
    produced = stack.outputs()
    name, entry = produced["apiKeySecretName"], produced["apiKeySecretKey"]
    return read_secret(stack, name)[entry]


def test_a_token_of_a_secret_store_is_admitted_and_stays_as_it_was_written(stack: Exposed) -> None:
    closed.expect_no_changes(stack)
    (external,) = closed.get(stack, "externalsecrets.external-secrets.io")["items"]
    spec = external["spec"]
    assert spec["secretStoreRef"] == {"kind": "ClusterSecretStore", "name": "vault"}
    (copied,) = spec["data"]
    assert (copied["remoteRef"]["key"], copied["remoteRef"]["property"]) == ("models", "hf")
    pod = only_server_pod(stack)
    (read,) = (
        each["valueFrom"]["secretKeyRef"]
        for each in pod["spec"]["containers"][0]["env"]
        if each["name"] == "HF_TOKEN"
    )
    assert (read["name"], read["key"]) == (spec["target"]["name"], copied["secretKey"])


def test_a_generated_key_opens_the_way_through_the_interceptor(
    stack: Exposed, generated: str
) -> None:
    pod = only_server_pod(stack)
    keys = keys_read_by(stack, pod)
    assert keys == [generated]
    assert len(generated) >= 32
    # The interceptor reaches every pod at one address, that of its Service.
    with_every_pod(stack, loading=False, keys=tuple(keys))
    expect_door(stack, ADDRESS, bearer(generated), [bearer(NEW), bearer("")])
    before = counted(stack)
    assert stack.ask(ADDRESS, headers=bearer(NEW)).status == 401
    # Who is refused is counted all the same, since the server is behind the interceptor.
    assert counted(stack) - before == 1
    assert closed.preflight_status(stack, ADDRESS) != 401


def test_a_generated_key_stands_in_secrets_alone(stack: Exposed, generated: str) -> None:
    found = closed.objects(stack)
    hidden = closed.hidden_values(found)
    assert closed.made(found) == {CLIENT_KEY}
    assert closed.router_middlewares(stack) is None
    assert generated in hidden
    assert closed.where_in_clear(stack, hidden, found) == []


def test_keys_change_in_three_rolls_that_refuse_no_client_who_follows(
    stack: Exposed, generated: str
) -> None:
    uid = closed.get(stack, "deployment", "vllm")["metadata"]["uid"]
    # By itself: the interceptor answers 404 from the end of its route until Traefik turns away.
    stack.up(autoscaling={"enabled": False})
    # With a new pod first; where the pool has no room for it, a roll is an outage by design.
    strategy = closed.get(stack, "deployment", "vllm")["spec"]["strategy"]
    assert strategy["rollingUpdate"]["maxUnavailable"] == 0
    pod = only_server_pod(stack)
    wait_until_alone(stack, ADDRESS, bearer(generated), pod)
    read = [secret_read_by(pod)]
    with_every_pod(stack, loading=True)
    # What the server accepts, which of it is for clients in the cluster, and who calls meanwhile.
    steps = (
        ((generated, NEW), generated, (generated,)),
        ((NEW, generated), NEW, (generated, NEW)),
        ((NEW,), NEW, (NEW,)),
    )
    for keys, for_clients, callers in steps:
        clients = Clients(stack, ADDRESS, {key: bearer(key) for key in callers})
        with clients.busy():
            closed.deploy(stack, {"apiKeys": "\n".join(keys)}, preview=keys == steps[0][0])
            for key in keys:
                stack.eventually(200, ADDRESS, headers=bearer(key))
            pod = only_server_pod(stack)
            clients.until_told(pod)
            clients.until_let_in(*callers)
        read.append(secret_read_by(pod))
        assert clients.keys_of_pods[pod["metadata"]["uid"]] == list(keys)
        assert len(clients.keys_of_pods) >= 2
        assert read_secret(stack, "vllm-api-key")["api-key"] == for_clients
        for key, statuses in clients.statuses.items():
            # 502: a pod that has not been told its keys yet, where a real one is not ready.
            assert set(statuses) <= {200, 502}, (key, statuses)
            assert clients.outages(key) == []
        wait_until_alone(stack, ADDRESS, bearer(keys[0]), pod)  # Traefik still knows the one before
    assert len(set(read)) == len(read)
    assert closed.get(stack, "deployment", "vllm")["metadata"]["uid"] == uid
    expect_door(stack, ADDRESS, bearer(NEW), [bearer(generated)])


def test_given_keys_stand_in_secrets_alone_and_stay_where_none_are_given_any_more(
    stack: Exposed, generated: str
) -> None:
    # Beside a token of the model's, which the same pod reads from a Secret of its own.
    closed.remove(stack, "huggingFaceTokenExternal")
    closed.deploy(stack, {"huggingFaceToken": TOKEN})
    found = closed.objects(stack)
    hidden = closed.hidden_values(found)
    assert closed.made(found) == {CLIENT_KEY}
    assert {NEW, TOKEN} <= hidden
    closed.expect_no_changes(stack)
    closed.remove(stack, "apiKeys")
    stack.up()
    closed.expect_no_changes(stack)
    pod = only_server_pod(stack)
    assert keys_read_by(stack, pod) == [NEW]
    assert closed.where_in_clear(stack, hidden | {generated}, found) == []
