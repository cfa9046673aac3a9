"""The dev stack under load, in a namespace of its own."""

from __future__ import annotations

import http.client
import time
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from sandbox.state import Ports
from tests.cluster.sandboxes import PATIENCE_SECONDS, Sandbox
from tests.load.loads import Load, send
from tests.load.replicas import ReplicaWatch
from tests.pulumi_project import STACK, PulumiProject, committed_stack_file

QUICK: dict[str, Any] = {
    "windowSeconds": 10,
    "scaleDownSeconds": 10,
    "scaleDown": {"pods": 5, "periodSeconds": 15},
}
"""What of `autoscaling` is not the default, so that a way up and down takes half a minute."""


@dataclass(frozen=True, kw_only=True)
class LoadedApp:
    """A deployed stack, requests to it, and its replicas."""

    project: PulumiProject
    sandbox: Sandbox
    namespace: str
    folder: Path
    _loads: list[Load] = field(default_factory=list[Load])

    @property
    def host(self) -> str:
        """Which its requests carry."""
        return f"vllm.{self.namespace}.localhost"

    def set_up(self, **autoscaling: Any) -> str:
        """Change the autoscaler and run `pulumi up`."""
        self.project.configure(autoscaling=autoscaling)
        return self.project.up()

    def send(self, rate: int, seconds: float, **how: Any) -> Load:
        """Begin to send requests; what `loads.send` takes besides goes there."""
        folder = self.folder / f"load-{len(self._loads)}"
        load = send(self.sandbox, self.host, folder, rate=rate, seconds=seconds, **how)
        self._loads.append(load)
        return load

    def end_loads(self) -> None:
        """Let none outlast the app: a failed test has not ended its own."""
        for load in self._loads:
            load.end()

    def watch(self) -> ReplicaWatch:
        """Watch the server's Deployment."""
        return ReplicaWatch(self.sandbox.kubeconfig, self.namespace)

    def get(self, *arguments: str) -> Any:
        """Objects of the app's namespace."""
        return self.sandbox.kubectl_json("get", f"--namespace={self.namespace}", *arguments)

    def wait_ready(self, resource: str) -> None:
        """Wait until the app's object of a kind of KEDA's has the condition Ready."""
        condition = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
        of_app = ("get", resource, "vllm", f"--namespace={self.namespace}", "--output", condition)
        self.sandbox.eventually("True", *of_app)

    def wait_answered(self) -> None:
        """Wait until a request comes through: `up` does not wait until Traefik has the route."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (status := self._status()) != HTTPStatus.OK:
            assert time.monotonic() < deadline, status
            time.sleep(0.1)

    def _status(self) -> int:
        port = Ports.counted_from(self.sandbox.port_base).ingress
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            connection.request("POST", "/v1/chat/completions", "{}", {"Host": self.host})
            return connection.getresponse().status


@contextmanager
def loaded_app(
    sandbox: Sandbox,
    folder: Path,
    namespace: str,
    *,
    preset: str = "nvidia-l4-1",
    settings: Mapping[str, Any] | None = None,
    **autoscaling: Any,
) -> Generator[LoadedApp]:
    """Deploy the dev stack with an autoscaler, and drop its namespace in the end.

    Args:
        sandbox: the full one.
        folder: for the stack's files and what load generators write.
        namespace: of its own.
        preset: with a capacity of five replicas.
        settings: further keys of the stack.
        autoscaling: keys of that name, beside `enabled: true`.
    """
    project = PulumiProject(
        folder=folder / "checkout", backend=folder / "backend", kubeconfig=sandbox.kubeconfig
    ).check_out(committed_stack_file("dev"))
    project.succeed("stack", "init", STACK)
    own = {"preset": preset, "namespace": {"name": namespace}, **(settings or {})}
    project.configure(**own)
    app = LoadedApp(project=project, sandbox=sandbox, namespace=namespace, folder=folder)
    try:
        app.set_up(enabled=True, **autoscaling)
        yield app
    finally:
        app.end_loads()
        # That `destroy` leaves nothing is shown elsewhere, and takes longer.
        sandbox.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")
