"""Autoscaling switched off behind a Traefik that is busy with changes of others."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.cluster.sandboxes import Sandbox
from tests.load.apps import QUICK, LoadedApp, loaded_app
from tests.load.background import Background
from tests.load.history import LITTLE, LONGEST_SECONDS
from tests.load.loads import lost, told

pytestmark = pytest.mark.load

NAMESPACE = "load-busy"
BACKEND = {"service": {"name": "vllm", "port": {"number": 8000}}}
OTHER = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "Ingress",
    "metadata": {"name": "other", "namespace": NAMESPACE},
    "spec": {
        "ingressClassName": "traefik",
        "rules": [
            {
                "host": "other.localhost",
                "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": BACKEND}]},
            }
        ],
    },
}


class OthersChanges(Background):
    """Changes the route of another Ingress all the time, so that Traefik applies each one late."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__()
        self._sandbox = sandbox

    def work(self) -> None:
        """Change it twice a second."""
        number = 0
        while not self.ended.wait(0.5):
            number += 1
            host = f"other-{number}.localhost"
            change = [{"op": "replace", "path": "/spec/rules/0/host", "value": host}]
            self._sandbox.kubectl(
                "patch",
                "ingress",
                "other",
                f"--namespace={NAMESPACE}",
                "--type=json",
                f"--patch={json.dumps(change)}",
            )


@pytest.fixture(scope="module")
def app(loaded_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedApp]:
    """A stack whose ingress leads to the interceptor."""
    folder = tmp_path_factory.mktemp("busy")
    with loaded_app(loaded_sandbox, folder, NAMESPACE, **QUICK) as made:
        made.wait_answered()
        yield made


def test_switching_off_behind_a_busy_controller_loses_no_request(
    app: LoadedApp, loaded_sandbox: Sandbox
) -> None:
    loaded_sandbox.apply(json.dumps(OTHER))
    load = app.send(LITTLE, LONGEST_SECONDS)
    with OthersChanges(loaded_sandbox):
        time.sleep(3)
        app.set_up(enabled=False, **QUICK)
        time.sleep(3)
    load.stop()
    answers = load.answers()
    assert lost(answers) == [], told(answers)
