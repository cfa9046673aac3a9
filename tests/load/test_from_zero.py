"""From zero: requests are held for a cold start, and one that outlasts its budget has an end."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from sandbox.state import REPOSITORY, Ports
from tests.cluster.sandboxes import Sandbox
from tests.load.apps import LoadedApp, loaded_app
from tests.load.history import PATIENCE_SECONDS
from tests.load.loads import lost, told

pytestmark = pytest.mark.load

NAMESPACE = "load-zero"
COLD_START_SECONDS = 6
TOO_LONG_SECONDS = 3600
BUDGET_SECONDS = 20
WAIT_SECONDS = 3
SMALL_MODEL_PORT = 8001
SMALL_MODEL = f"""
import sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"the small model")
server = ThreadingHTTPServer(("127.0.0.1", {SMALL_MODEL_PORT}), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("serves", flush=True)
sys.stdin.read()
"""
FALLBACK = f"""\
apiVersion: v1
kind: Service
metadata: {{name: small-model, namespace: {NAMESPACE}}}
spec: {{ports: [{{port: {SMALL_MODEL_PORT}}}]}}
"""


@dataclass(frozen=True, kw_only=True)
class Said:
    """One answer, the s that it took, and whether the interceptor says that it waited for a pod."""

    status: int
    text: str
    seconds: float
    cold: str | None


def ask(app: LoadedApp) -> Said:
    """Ask at the printed address."""
    port = Ports.counted_from(app.sandbox.port_base).ingress
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    began = time.monotonic()
    connection.request(
        "POST", "/v1/chat/completions", json.dumps({"messages": []}), {"Host": app.host}
    )
    answer = connection.getresponse()
    return Said(
        status=answer.status,
        text=answer.read().decode(),
        seconds=time.monotonic() - began,
        cold=answer.getheader("X-KEDA-HTTP-Cold-Start"),
    )


def start_takes(app: LoadedApp, seconds: int) -> None:
    """Let the next pods need so long until they are ready."""
    delay = {"pod-ready.stage.kwok.x-k8s.io/delay": f"{seconds}s"}
    patch = json.dumps({"spec": {"template": {"metadata": {"annotations": delay}}}})
    app.sandbox.kubectl("patch", "deployment", "vllm", f"--namespace={NAMESPACE}", "-p", patch)


def wait_unserved(app: LoadedApp) -> None:
    """Wait until there is none: the Service may name a pod that the count has without."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while ready := endpoints(app):
        assert time.monotonic() < deadline, ready
        time.sleep(0.1)


def endpoints(app: LoadedApp) -> list[dict[str, Any]]:
    """Those that the interceptor forwards to."""
    of_app = ("endpointslices", "--selector=kubernetes.io/service-name=vllm")
    slices: list[dict[str, Any]] = app.get(*of_app)["items"]
    named: list[dict[str, Any]] = [one for each in slices for one in each.get("endpoints") or ()]
    return [one for one in named if one["conditions"].get("ready")]


@pytest.fixture(scope="module")
def app(loaded_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedApp]:
    """A stack that goes to zero once a budget of twenty seconds has passed without load."""
    with loaded_app(
        loaded_sandbox,
        tmp_path_factory.mktemp("zero"),
        NAMESPACE,
        start_seconds=BUDGET_SECONDS,
        minReplicas=0,
        windowSeconds=5,
        scaleDownSeconds=5,
    ) as made:
        yield made


def test_what_runs_goes_after_the_calm_alone_and_zero_is_no_difference(app: LoadedApp) -> None:
    made: str = app.get("scaledobject", "vllm")["metadata"]["creationTimestamp"]
    since = datetime.fromisoformat(made).timestamp()
    with app.watch() as watch:
        calm = watch.until(0, since=since, patience_seconds=PATIENCE_SECONDS)
        assert watch.counts[0].desired == 1, watch.steps(since)
    # KEDA has looked before, seen no load, and would have taken all away.
    assert calm > BUDGET_SECONDS
    app.project.succeed("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    app.project.expect_no_changes()
    print(f"no replica {calm:.1f} s after KEDA took over one without load")


def test_every_request_of_a_cold_start_is_held_and_answered(app: LoadedApp) -> None:
    with app.watch() as watch:
        watch.until(0, since=time.time(), patience_seconds=PATIENCE_SECONDS)
        wait_unserved(app)
        start_takes(app, COLD_START_SECONDS)
        first = app.send(5, 4)
        answers = first.answers()
        assert not lost(answers), told(answers)
        wait = max(answer.seconds for answer in answers)
        assert wait >= COLD_START_SECONDS, told(answers)
        assert ask(app).cold == "false"
        calls = watch.until(1, since=first.began, patience_seconds=PATIENCE_SECONDS)
    print(
        f"from zero: a replica is asked for after {calls:.1f} s, and the first request is "
        f"answered after {wait:.1f} s, with a start of {COLD_START_SECONDS} s"
    )


def test_a_cold_start_longer_than_the_budget_ends_in_a_clear_status(app: LoadedApp) -> None:
    # First, as KEDA may scale up again for the requests before.
    start_takes(app, TOO_LONG_SECONDS)
    app.sandbox.kubectl("scale", "deployment", "vllm", f"--namespace={NAMESPACE}", "--replicas=0")
    with app.watch() as watch:
        watch.until(0, since=time.time(), patience_seconds=PATIENCE_SECONDS)
    wait_unserved(app)
    said = ask(app)
    assert (said.status, said.text) == (http.HTTPStatus.GATEWAY_TIMEOUT, "Gateway Timeout\n")
    # At the budget: the rest is for a busy machine.
    assert BUDGET_SECONDS <= said.seconds < 3 * BUDGET_SECONDS
    print(f"too long a start: {said.status} after {said.seconds:.1f} s")


@pytest.fixture
def small_model(app: LoadedApp) -> Iterator[dict[str, object]]:
    """A Service that answers while the model does not."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "exec", sys.executable, "-c", SMALL_MODEL],
        cwd=REPOSITORY,
        env=app.sandbox.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"serves\n"
    app.sandbox.apply(FALLBACK)
    yield {"service": "small-model", "port": SMALL_MODEL_PORT}
    process.communicate(timeout=60)


def test_a_cold_start_longer_than_the_budget_ends_in_the_configured_fallback(
    app: LoadedApp, small_model: dict[str, object]
) -> None:
    cold_start = {"waitSeconds": WAIT_SECONDS, "fallback": small_model}
    app.set_up(
        enabled=True, minReplicas=0, windowSeconds=5, scaleDownSeconds=5, coldStart=cold_start
    )
    said = ask(app)
    assert (said.status, said.text) == (http.HTTPStatus.OK, "the small model")
    # After its own wait, which is below the budget.
    assert WAIT_SECONDS <= said.seconds < BUDGET_SECONDS
    print(f"too long a start with a fallback: its answer after {said.seconds:.1f} s")
