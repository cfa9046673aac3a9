"""Sandboxes of the tests' own, beside a developer's: other ports, a temporary directory."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sandbox.state import CONTEXT, HIGHEST_OFFSET, REPOSITORY
from tools import locate

PATIENCE_SECONDS = 180.0
"""Of a test that waits for what comes within seconds on an idle machine."""


class Sandbox:
    """A sandbox in a directory of its own, driven by its command line."""

    context = CONTEXT

    def __init__(self, directory: Path, port_base: int, hosts: str = "") -> None:
        self.directory = directory
        self.port_base = port_base
        self.kubeconfig = directory / "kubeconfig"
        self.start_seconds: float | None = None
        """Of the first start: later ones find most of it running."""
        self.prefix: Sequence[str] = (sys.executable,)
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "SANDBOX_STATE": str(directory),
            "SANDBOX_PORT_BASE": str(port_base),
            "SANDBOX_HOSTS": hosts,
        }

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self.prefix, "-m", "sandbox", *arguments],
            cwd=self.environment["PYTHONPATH"].split(os.pathsep)[0],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def start(self, tier: str) -> str:
        began = time.monotonic()
        done = self.run("start", tier)
        if self.start_seconds is None:
            self.start_seconds = time.monotonic() - began
        return done.stdout

    def pids(self) -> dict[str, int]:
        lines = self.run("status", check=False).stdout.splitlines()[1:]
        return {line.split()[0]: int(line.split()[1]) for line in lines}

    def try_kubectl(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [locate.program("kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments],
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )

    def kubectl(self, *arguments: str, given: str = "") -> str:
        done = self.try_kubectl(*arguments, given=given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def kubectl_json(self, *arguments: str) -> Any:
        return json.loads(self.kubectl(*arguments, "--output=json"))

    def apply(self, manifest: str) -> None:
        self.kubectl("apply", "--filename=-", given=manifest)

    def eventually(self, expected: str, *arguments: str) -> str:
        """Repeat a kubectl command until its output contains a text, and return the output."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while expected not in (seen := self.try_kubectl(*arguments)).stdout:
            assert time.monotonic() < deadline, f"no {expected!r} in {seen.stdout!r} {seen.stderr}"
            time.sleep(0.1)
        return seen.stdout

    def rolled_out(self, deployment: str, namespace: str) -> None:
        """Wait until a Deployment has the pods it asks for, and any others are on their way out."""
        self.kubectl(
            *("rollout", "status", f"deployment/{deployment}", f"--namespace={namespace}"),
            f"--timeout={PATIENCE_SECONDS:.0f}s",
        )

    @contextmanager
    def namespace(self, name: str, labels: str = "{}") -> Generator[str]:
        self.apply(
            f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {labels}}}}}"
        )
        self.eventually("default", "get", "serviceaccounts", f"--namespace={name}")
        yield name
        self.kubectl("delete", "namespace", name, "--wait=false")


# A range is lent once, as its borrower may not listen on it yet; runs at the same time begin apart.
# From 32768 on, Linux gives ports to clients: a connection might hold one of a range, inside the
# namespace as well, when the component that it is meant for comes to listen.
_LOWEST, _BEYOND, _APART = 20000, 32700, 100
_FIRST = _LOWEST + os.getpid() % 100 * _APART
_BASES = iter([*range(_FIRST, _BEYOND, _APART), *range(_LOWEST, _FIRST, _APART)])


def free_port_base() -> int:
    """Return the first of as many ports in a row that nobody listens on as a sandbox needs."""
    for base in _BASES:
        with ExitStack() as stack:
            try:
                for port in range(base, base + HIGHEST_OFFSET + 1):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
        return base
    message = f"no {HIGHEST_OFFSET + 1} free ports in a row"
    raise RuntimeError(message)


@contextmanager
def new_sandbox(hosts: str = "") -> Generator[Sandbox]:
    """Lend a sandbox that is not started yet, and leave nothing of it behind."""
    directory = Path(tempfile.mkdtemp(prefix="sandbox-"))
    made = Sandbox(directory / "state", free_port_base(), hosts)
    try:
        yield made
    finally:
        made.run("stop", check=False)
        shutil.rmtree(directory)
