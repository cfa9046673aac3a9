"""From zero: requests are held for a cold start, and one that outlasts its budget has an end."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from sandbox.state import Ports
from tests.cluster.sandboxes import Sandbox
from tests.load.apps import LoadedApp, loaded_app
from tests.load.history import PATIENCE_SECONDS
from tests.load.loads import lost, told
from tests.load.replicas import ReplicaWatch
from tests.load.small_model import ANSWER, small_model
from tests.load.turns import PulumiTurns, failures

pytestmark = pytest.mark.load

COLD_START_SECONDS = 6
TOO_LONG_SECONDS = 3600
BUDGET_SECONDS = 20
WAIT_SECONDS = 3
WARMING_UP = {"statusCode": 503, "body": "warming up"}
BEFORE_ZERO = {"windowSeconds": 5, "scaleDownSeconds": 5}
ROUTE, OLDER, IDLE = "interceptorRoute", "httpScaledObject", "idleReplicas"
WAYS: dict[str, dict[str, Any]] = {
    ROUTE: {"kind": ROUTE, "minReplicas": 0, **BEFORE_ZERO},
    OLDER: {"kind": OLDER, "minReplicas": 0, **BEFORE_ZERO},
    IDLE: {"idleReplicas": 0, "minReplicas": 2, **BEFORE_ZERO},
}
"""Keys of `autoscaling` by what makes it go to zero."""

SETTINGS: dict[str, dict[str, Any]] = {
    # It counts no request that is being answered, so the calm spans the longest answer.
    OLDER: {"requestSeconds": BUDGET_SECONDS},
    # All stacks' pods run at once: these have other nodes.
    IDLE: {"preset": "nvidia-h100-2"},
}


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A stack that goes to zero, and its replicas from the beginning on."""

    way: str
    app: LoadedApp
    watch: ReplicaWatch

    @property
    def awake(self) -> int:
        """The replicas that it has as soon as there is any load."""
        return max(1, WAYS[self.way]["minReplicas"])


@dataclass(frozen=True, kw_only=True)
class Zero(Deployed):
    """The same with Pulumi's commands, while its tests run."""

    pulumi: PulumiTurns

    def set_up(self, **cold_start: Any) -> None:
        """Change `autoscaling.coldStart`."""
        with self.pulumi.paused():
            self.app.set_up(enabled=True, **WAYS[self.way], coldStart=cold_start)


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
    """Let the next pods need so long until they are ready.

    Applied, not patched: what was patched goes when Pulumi next writes the Deployment, as it takes
    such fields over (pulumi-kubernetes, await.go, fixCSAFieldManagers).
    """
    delay = f"{{pod-ready.stage.kwok.x-k8s.io/delay: {seconds}s}}"
    app.sandbox.kubectl(
        *("apply", "--server-side", "--field-manager=cold-start", "--validate=false"),
        "--filename=-",
        given="apiVersion: apps/v1\nkind: Deployment\n"
        f"metadata: {{name: vllm, namespace: {app.namespace}}}\n"
        f"spec: {{template: {{metadata: {{annotations: {delay}}}}}}}\n",
    )


def take_all_away(zero: Zero) -> None:
    """Scale to zero by hand, and wait until nobody is forwarded to."""
    of_app = ("deployment", "vllm", f"--namespace={zero.app.namespace}")
    now = time.time()
    zero.app.sandbox.kubectl("scale", *of_app, "--replicas=0")
    zero.watch.until(0, since=now, patience_seconds=PATIENCE_SECONDS)
    wait_unserved(zero.app)


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
def deployed(
    loaded_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Deployed]]:
    """All stacks, each of which goes to zero once twenty seconds have passed without load."""
    with ExitStack() as stack:
        made: dict[str, Deployed] = {}
        for way, keys in WAYS.items():
            settings = {"rollout": {"startSeconds": BUDGET_SECONDS}, **SETTINGS.get(way, {})}
            folder = tmp_path_factory.mktemp(way)
            app = stack.enter_context(
                loaded_app(loaded_sandbox, folder, f"zero-{way.lower()}", settings=settings, **keys)
            )
            watch = stack.enter_context(app.watch())
            made[way] = Deployed(way=way, app=app, watch=watch)
        yield made


@pytest.fixture(scope="module", params=list(WAYS))
def zero(request: pytest.FixtureRequest, deployed: dict[str, Deployed]) -> Iterator[Zero]:
    """One of them, with Pulumi's commands on it."""
    of = deployed[request.param]
    with PulumiTurns(of.app.project) as pulumi:
        yield Zero(way=of.way, app=of.app, watch=of.watch, pulumi=pulumi)


def test_what_runs_goes_after_the_calm_alone_and_zero_is_no_difference(
    zero: Zero, figures: list[str]
) -> None:
    made: str = zero.app.get("scaledobject", "vllm")["metadata"]["creationTimestamp"]
    since = datetime.fromisoformat(made).timestamp()
    calm = zero.watch.until(0, since=since, patience_seconds=PATIENCE_SECONDS)
    assert zero.watch.counts[0].desired in {1, zero.awake}, zero.watch.steps(since)
    # KEDA has looked before, seen no load, and would have taken all away.
    assert calm > BUDGET_SECONDS
    with zero.pulumi.paused():
        zero.app.project.succeed("refresh", "--yes", "--skip-preview", "--expect-no-changes")
        zero.app.project.expect_no_changes()
    figures.append(f"{zero.way}: no replica {calm:.1f} s after KEDA took over one without load")


def test_every_request_of_a_cold_start_is_held_and_answered(zero: Zero, figures: list[str]) -> None:
    zero.watch.until(0, since=time.time(), patience_seconds=PATIENCE_SECONDS)
    wait_unserved(zero.app)
    start_takes(zero.app, COLD_START_SECONDS)
    first = zero.app.send(5, 4)
    answers = first.answers()
    assert not lost(answers), told(answers)
    wait = max(answer.seconds for answer in answers)
    # A busy machine takes longer; one that was asked for late would take the budget.
    assert COLD_START_SECONDS <= wait < BUDGET_SECONDS, told(answers)
    assert ask(zero.app).cold == "false"
    calls = zero.watch.until(zero.awake, since=first.began, patience_seconds=PATIENCE_SECONDS)
    seen = {count.desired for count in zero.watch.between(first.began, time.time())}
    assert seen <= {0, zero.awake}, zero.watch.steps(first.began)
    figures.append(
        f"{zero.way}, from zero: {zero.awake} asked for after {calls:.1f} s, and the first request "
        f"answered after {wait:.1f} s, with a start of {COLD_START_SECONDS} s"
    )


@pytest.mark.parametrize("zero", [ROUTE, OLDER], indirect=True, scope="module")
def test_a_cold_start_longer_than_the_budget_ends_in_a_clear_status(
    zero: Zero, figures: list[str]
) -> None:
    # First, as KEDA may scale up again for the requests before.
    start_takes(zero.app, TOO_LONG_SECONDS)
    take_all_away(zero)
    said = ask(zero.app)
    assert (said.status, said.text) == (http.HTTPStatus.GATEWAY_TIMEOUT, "Gateway Timeout\n")
    # At the budget: the rest is for a busy machine.
    assert BUDGET_SECONDS <= said.seconds < 3 * BUDGET_SECONDS
    figures.append(f"{zero.way}, too long a start: {said.status} after {said.seconds:.1f} s")


@pytest.mark.parametrize("zero", [ROUTE, OLDER], indirect=True, scope="module")
def test_a_cold_start_longer_than_the_budget_ends_in_the_configured_fallback(
    zero: Zero, figures: list[str]
) -> None:
    with small_model(zero.app) as fallback:
        zero.set_up(waitSeconds=WAIT_SECONDS, fallback=fallback)
        said = ask(zero.app)
    assert (said.status, said.text) == (http.HTTPStatus.OK, ANSWER)
    # After its own wait, which is below the budget.
    assert WAIT_SECONDS <= said.seconds < BUDGET_SECONDS
    figures.append(
        f"{zero.way}, too long a start with a fallback: its answer after {said.seconds:.1f} s"
    )


@pytest.mark.parametrize("zero", [ROUTE], indirect=True, scope="module")
def test_a_placeholder_answers_at_once_until_the_replica_that_it_calls_is_ready(
    zero: Zero, figures: list[str]
) -> None:
    zero.set_up(placeholder=WARMING_UP)
    start_takes(zero.app, COLD_START_SECONDS)
    take_all_away(zero)
    began = time.monotonic()
    said = ask(zero.app)
    assert (said.status, said.text) == (WARMING_UP["statusCode"], WARMING_UP["body"])
    assert said.seconds < WAIT_SECONDS
    while (later := ask(zero.app)).status != http.HTTPStatus.OK:
        assert (later.status, later.text) == (said.status, said.text)
        assert time.monotonic() < began + PATIENCE_SECONDS
        time.sleep(0.2)
    figures.append(
        f"{zero.way}, placeholder: answers after {said.seconds:.2f} s, and the model "
        f"{time.monotonic() - began:.1f} s after that"
    )


def test_pulumi_finds_no_change_between_zero_and_a_cold_start(zero: Zero) -> None:
    zero.pulumi.wait_for_each()
    assert failures(zero.pulumi.turns) == []
