"""The API keys that the server checks itself: through the interceptor, and while they change."""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.cluster import closed
from tests.cluster.closed import CLIENT_KEY, expect_door, read_secret, tell_stand_in
from tests.cluster.exposed import Exposed, exposed_stack
from tests.cluster.sandboxes import Sandbox

pytestmark = pytest.mark.cluster

NAMESPACE = "llm-auth-keys"
HOST = "keys.example.com"
ADDRESS = f"http://{HOST}"
INGRESS = {"host": HOST, "auth": "apiKey"}
NEW = "not-a-real-key-but-long-enough"
STORE = {"store": "vault", "storeKind": "ClusterSecretStore", "key": "models", "property": "hf"}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def server_pods(exposed: Exposed) -> list[dict[str, Any]]:
    return closed.get(exposed, "pods", "--selector=app.kubernetes.io/component=server")["items"]


def secret_read_by(pod: dict[str, Any]) -> str:
    """Name of the Secret that a pod's keys come from."""
    (name,) = (v["secret"]["secretName"] for v in pod["spec"]["volumes"] if v["name"] == "api-keys")
    return name


def keys_read_by(exposed: Exposed, pod: dict[str, Any]) -> list[str]:
    """The keys of the file that the server is told to read, as the pod's own program writes it."""
    spec = pod["spec"]
    (writer,) = (each for each in spec["initContainers"] if each["name"] == "api-keys")
    (server,) = spec["containers"]
    file = server["args"][server["args"].index("--config") + 1]
    at = {mount["name"]: mount["mountPath"] for mount in writer["volumeMounts"]}
    of_server = {mount["mountPath"]: mount["name"] for mount in server["volumeMounts"]}
    shared = of_server[str(Path(file).parent)]
    with TemporaryDirectory() as folder:
        for path in (at[shared], at["api-keys"]):
            Path(folder + path).mkdir(parents=True)
        for volume in spec["volumes"]:
            if volume["name"] == "api-keys":
                entries = read_secret(exposed, volume["secret"]["secretName"])
                for item in volume["secret"]["items"]:
                    Path(folder + at["api-keys"], item["path"]).write_text(entries[item["key"]])
        _, *program = writer["command"]
        paths = [folder + path for path in writer["args"]]
        subprocess.run([sys.executable, *program, *paths], check=True)
        return json.loads(Path(folder + file).read_text())["api-key"]


class Clients:
    """Callers who never pause, while each pod that appears accepts what its own file holds."""

    def __init__(self, exposed: Exposed, *keys: str) -> None:
        self.statuses: dict[str, Counter[int]] = {key: Counter() for key in keys}
        self.keys_of_pods: dict[str, list[str]] = {}
        self._exposed = exposed
        self._ended = threading.Event()

    def call(self) -> None:
        while not self._ended.is_set():
            for key, counted in self.statuses.items():
                counted[self._exposed.ask(ADDRESS, headers=bearer(key)).status] += 1
            time.sleep(0.02)

    def watch(self) -> None:
        while not self._ended.is_set():
            self.look()

    def look(self) -> None:
        """Tell the stand-in what each new pod accepts; before that it takes no connection."""
        for pod in server_pods(self._exposed):
            uid, address = pod["metadata"]["uid"], pod["status"].get("podIP")
            if address and uid not in self.keys_of_pods:
                keys = keys_read_by(self._exposed, pod)
                tell_stand_in(self._exposed, "/api-keys", address=address, keys=keys)
                tell_stand_in(self._exposed, "/pods", address=address, loading=False)
                self.keys_of_pods[uid] = keys

    @contextmanager
    def busy(self) -> Generator[None]:
        threads = [threading.Thread(target=each) for each in (self.call, self.watch)]
        self.look()
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()


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


def with_every_pod(exposed: Exposed, *, loading: bool, keys: tuple[str, ...] = ()) -> None:
    tell_stand_in(exposed, "/pods", loading=loading)
    tell_stand_in(exposed, "/api-keys", keys=keys)


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
    (pod,) = server_pods(stack)
    (read,) = (
        each["valueFrom"]["secretKeyRef"]
        for each in pod["spec"]["containers"][0]["env"]
        if each["name"] == "HF_TOKEN"
    )
    assert (read["name"], read["key"]) == (spec["target"]["name"], copied["secretKey"])


def test_a_generated_key_opens_the_way_through_the_interceptor(
    stack: Exposed, generated: str
) -> None:
    (pod,) = server_pods(stack)
    keys = keys_read_by(stack, pod)
    assert keys == [generated]
    assert len(generated) >= 32
    # The interceptor reaches every pod at one address, that of its Service.
    with_every_pod(stack, loading=False, keys=tuple(keys))
    expect_door(stack, ADDRESS, bearer(generated), [bearer(NEW), bearer("")])


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
    (first,) = server_pods(stack)
    read = [secret_read_by(first)]
    with_every_pod(stack, loading=True)
    # What the server accepts, which of it is for clients in the cluster, and who calls meanwhile.
    steps = (
        ((generated, NEW), generated, (generated,)),
        ((NEW, generated), NEW, (generated, NEW)),
        ((NEW,), NEW, (NEW,)),
    )
    for keys, for_clients, callers in steps:
        clients = Clients(stack, *callers)
        with clients.busy():
            closed.deploy(
                stack,
                {"apiKeys": "\n".join(keys)},
                preview=keys == steps[0][0],
                autoscaling={"enabled": False},
            )
            for key in keys:
                stack.eventually(200, ADDRESS, headers=bearer(key))
        (pod,) = server_pods(stack)
        read.append(secret_read_by(pod))
        assert clients.keys_of_pods[pod["metadata"]["uid"]] == list(keys)
        assert len(clients.keys_of_pods) >= 2
        assert read_secret(stack, "vllm-api-key")["api-key"] == for_clients
        for key, statuses in clients.statuses.items():
            # 502: a pod that has not been told its keys yet, where a real one is not ready.
            assert statuses[200] > 20, key
            assert set(statuses) <= {200, 502}, statuses
    assert len(set(read)) == len(read)
    assert closed.get(stack, "deployment", "vllm")["metadata"]["uid"] == uid
    stack.eventually(401, ADDRESS, headers=bearer(generated))
    expect_door(stack, ADDRESS, bearer(NEW), [bearer(generated)])


def test_given_keys_stand_in_secrets_alone_and_stay_where_none_are_given_any_more(
    stack: Exposed, generated: str
) -> None:
    found = closed.objects(stack)
    hidden = closed.hidden_values(found)
    assert closed.made(found) == {CLIENT_KEY}
    assert NEW in hidden
    closed.expect_no_changes(stack)
    closed.remove(stack, "apiKeys")
    stack.up()
    closed.expect_no_changes(stack)
    (pod,) = server_pods(stack)
    assert keys_read_by(stack, pod) == [NEW]
    assert closed.where_in_clear(stack, hidden | {generated}, found) == []
