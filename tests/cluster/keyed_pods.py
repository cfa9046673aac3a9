"""Pods that check API keys: what each of them reads, and callers while they come and go."""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.cluster import closed
from tests.cluster.closed import read_secret, tell_stand_in
from tests.cluster.exposed import Exposed
from tests.cluster.sandboxes import PATIENCE_SECONDS

Headers = Mapping[str, str]

_GATEWAY_ERRORS = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)


def bearer(key: str) -> dict[str, str]:
    """The header of a key (RFC 6750)."""
    return {"Authorization": f"Bearer {key}"}


def server_pods(exposed: Exposed) -> list[dict[str, Any]]:
    """The server's pods."""
    return closed.get(exposed, "pods", "--selector=app.kubernetes.io/component=server")["items"]


def only_server_pod(exposed: Exposed) -> dict[str, Any]:
    """The server's one pod, waiting for those before it: a rollout does not wait for their end."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(pods := server_pods(exposed)) != 1:
        assert time.monotonic() < deadline, [pod["metadata"]["name"] for pod in pods]
        time.sleep(0.1)
    return pods[0]


def wait_until_alone(exposed: Exposed, address: str, headers: Headers, pod: dict[str, Any]) -> None:
    """Wait until a pod is the only one that is asked.

    Traefik takes turns among those it knows, and forgets one that is gone up to 2 s later.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    own, in_a_row = f" {pod['status']['podIP']}.", 0
    while in_a_row < 5:
        said = exposed.eventually(200, address, headers=headers).said
        in_a_row = in_a_row + 1 if said.endswith(own) else 0
        assert time.monotonic() < deadline, said


def secret_read_by(pod: dict[str, Any]) -> str:
    """Name of the Secret that a pod's keys come from."""
    (name,) = (v["secret"]["secretName"] for v in pod["spec"]["volumes"] if v["name"] == "api-keys")
    return name


def keys_read_by(exposed: Exposed, pod: dict[str, Any]) -> list[str]:
    """The keys of the file that the server is told to read, as the pod's own program writes it.

    None are for a server that is told of no file.
    """
    spec = pod["spec"]
    found = [each for each in spec.get("initContainers", []) if each["name"] == "api-keys"]
    if not found:
        return []
    (writer,) = found
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


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call that got no answer of the server's: when it began and ended, and its status."""

    began: float
    ended: float
    status: int


class Clients:
    """Callers who never pause, while each pod that appears accepts what its own file holds.

    Each caller has a name, and the headers that it sends to an address.
    """

    def __init__(self, exposed: Exposed, address: str, callers: Mapping[str, Headers]) -> None:
        self.statuses: dict[str, Counter[int]] = {name: Counter() for name in callers}
        self.unanswered: dict[str, list[Call]] = {name: [] for name in callers}
        self.keys_of_pods: dict[str, list[str]] = {}
        self._loading: dict[str, tuple[float, float]] = {}
        self._exposed, self._address, self._callers = exposed, address, callers
        self._ended = threading.Event()

    def call(self) -> None:
        while not self._ended.is_set():
            for name, headers in self._callers.items():
                began = time.time()
                status = self._exposed.ask(self._address, headers=headers).status
                self.statuses[name][status] += 1
                if status in _GATEWAY_ERRORS:
                    call = Call(began=began, ended=time.time(), status=status)
                    self.unanswered[name].append(call)
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
                made = datetime.fromisoformat(pod["metadata"]["creationTimestamp"]).timestamp()
                self._loading[uid] = made, time.time()

    def outages(self, name: str) -> list[Call]:
        """Calls that got no answer though no pod was loading.

        A simulated pod is ready as soon as it is there, where a real one is ready once it takes
        connections; so a call is excused from when a pod was made until it was told its keys.
        """
        return [
            call
            for call in self.unanswered[name]
            if call.status != HTTPStatus.BAD_GATEWAY
            or not any(
                made <= call.ended and call.began <= told for made, told in self._loading.values()
            )
        ]

    def until_let_in(self, *names: str) -> None:
        """Let them call until each of those named was answered many times."""
        self._go_on_until(lambda: all(self.statuses[name][200] > 20 for name in names))

    def until_told(self, pod: dict[str, Any]) -> None:
        """Let them call until a pod has what it accepts."""
        self._go_on_until(lambda: pod["metadata"]["uid"] in self.keys_of_pods)

    def _go_on_until(self, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not reached():
            assert time.monotonic() < deadline, (self.statuses, self.keys_of_pods)
            time.sleep(0.05)

    @contextmanager
    def busy(self) -> Generator[None]:
        threads = [threading.Thread(target=each) for each in (self.call, self.watch)]
        # Addresses are given again: what an earlier pod was told at one is not for the next.
        tell_stand_in(self._exposed, "/pods", loading=True)
        self.look()
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()


def with_every_pod(exposed: Exposed, *, loading: bool, keys: tuple[str, ...] = ()) -> None:
    """Tell the stand-in how every pod behaves, which one may have been told for itself."""
    tell_stand_in(exposed, "/pods", loading=loading)
    tell_stand_in(exposed, "/api-keys", keys=keys)
