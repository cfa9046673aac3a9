"""Each signal beside the request rate scales 1 -> 5 and back, alone, behind a real Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from sandbox.state import Ports
from tests.cluster.sandboxes import Sandbox
from tests.load.apps import LoadedApp, loaded_app
from tests.load.history import PATIENCE_SECONDS
from tests.load.replicas import ReplicaWatch
from tests.load.stand_in import ask_pods, tell
from tests.load.turns import PulumiTurns, failures

pytestmark = pytest.mark.load

MOST = 5
FALLBACK = 3
AT_ONCE: dict[str, Any] = {
    "windowSeconds": 5,
    "scaleDownSeconds": 0,
    "scaleUp": {"pods": MOST, "periodSeconds": 1},
    "scaleDown": {"pods": MOST, "periodSeconds": 1},
}
"""Nothing but the time until a signal is read stands before a change of the count."""

SIGNALS: dict[str, Any] = {
    "requestsWaiting": 5,
    "concurrency": 30,
    "kvCacheUsage": 0.5,
    "timeToFirstTokenSeconds": 2,
    # One read that fails may be a matter of the network.
    "fallback": {"replicas": FALLBACK, "failures": 1},
}
CALM: dict[str, float | None] = {
    "requests_waiting": 0,
    "requests_running": 0,
    "kv_cache_usage": 0,
    "time_to_first_token_seconds": None,
}
RAISED = {
    "requestsWaiting": {"requests_waiting": 30.0},
    "concurrency": {"requests_running": 180.0},
    "kvCacheUsage": {"kv_cache_usage": 0.95},
    "timeToFirstTokenSeconds": {"time_to_first_token_seconds": 20.0},
}


@dataclass(frozen=True, kw_only=True)
class Timed:
    """The replicas of a stack with five in a span of time, in s since the epoch."""

    watch: ReplicaWatch
    turns: PulumiTurns
    start: float
    end: float


@pytest.fixture(scope="module")
def timed(loaded_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Timed]:
    """A stack with five in one minute to come, which goes by during the other tests."""
    folder = tmp_path_factory.mktemp("timed")
    # Both stacks' pods run at once: these have other nodes.
    preset = "nvidia-h100-2"
    with (
        loaded_app(loaded_sandbox, folder, "load-timed", preset=preset, **AT_ONCE) as app,
        app.watch() as watch,
    ):
        # Chosen once the stack is there, which a busy machine is long about: 40 s at least ahead.
        start = (datetime.now(UTC) + timedelta(seconds=100)).replace(second=0, microsecond=0)
        end = start + timedelta(minutes=1)
        fields = {"start": f"{start.minute} {start.hour} * * *", "timezone": "UTC"}
        fields |= {"end": f"{end.minute} {end.hour} * * *"}
        app.set_up(enabled=True, cron=[{**fields, "replicas": MOST}], **AT_ONCE)
        with PulumiTurns(app.project) as turns:
            yield Timed(watch=watch, turns=turns, start=start.timestamp(), end=end.timestamp())


@pytest.fixture(scope="module")
def signals(
    loaded_sandbox: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
    timed: Timed,  # noqa: ARG001 - deployed before, as its minute is to come
) -> Iterator[LoadedApp]:
    """A stack with every signal of Prometheus', without load."""
    port = Ports.counted_from(loaded_sandbox.port_base).prometheus
    prometheus = {"address": f"http://prometheus.monitoring.svc:{port}"}
    folder = tmp_path_factory.mktemp("signals")
    tell(loaded_sandbox, **CALM)
    with loaded_app(
        loaded_sandbox, folder, "load-signals", prometheus=prometheus, **SIGNALS, **AT_ONCE
    ) as app:
        yield app
        tell(loaded_sandbox, **CALM)


@pytest.fixture(scope="module", autouse=True)
def turns(signals: LoadedApp) -> Iterator[PulumiTurns]:
    """Pulumi's commands on that stack, from the first test to the last."""
    with PulumiTurns(signals.project) as pulumi:
        yield pulumi


@pytest.fixture
def watch(signals: LoadedApp) -> Iterator[ReplicaWatch]:
    """The replicas of that stack, from one on."""
    with signals.watch() as watch:
        watch.until(1, since=time.time(), patience_seconds=PATIENCE_SECONDS)
        yield watch


def answer_quickly(app: LoadedApp) -> None:
    """Outnumber the slow first tokens, of which there is one a second, by quick ones."""
    pods = app.get("pods", "--selector=app.kubernetes.io/component=server")["items"]
    addresses = [pod["status"]["podIP"] for pod in pods]
    ask_pods(app.sandbox, addresses, app.folder, rate=600, seconds=4)


def wait_until_seen(app: LoadedApp, waiting: float) -> None:
    """Wait until Prometheus counts so many waiting requests, in the pods that are there.

    A pod that is gone counts until its series is marked stale. A Prometheus that is killed before
    that goes on counting it, once it is back, for its lookback of five minutes.
    """
    port = Ports.counted_from(app.sandbox.port_base).prometheus
    query = f'sum(vllm:num_requests_waiting{{namespace="{app.namespace}"}})'
    deadline, seen = time.monotonic() + PATIENCE_SECONDS, None
    while seen != waiting:
        assert time.monotonic() < deadline, f"{seen} requests are counted, not {waiting}"
        time.sleep(0.2)
        answer = httpx2.get(f"http://127.0.0.1:{port}/api/v1/query", params={"query": query})
        result = answer.json()["data"]["result"]
        seen = float(result[0]["value"][1]) if result else None


@pytest.mark.parametrize("signal", RAISED)
def test_each_signal_of_prometheus_alone_scales_1_to_5_and_back(
    signals: LoadedApp, watch: ReplicaWatch, signal: str, figures: list[str]
) -> None:
    began = time.time()
    tell(signals.sandbox, **CALM | RAISED[signal])
    up = watch.until(MOST, since=began, patience_seconds=PATIENCE_SECONDS)
    ended = time.time()
    tell(signals.sandbox, **CALM)
    if signal == "timeToFirstTokenSeconds":
        answer_quickly(signals)
    down = watch.until(1, since=ended, patience_seconds=PATIENCE_SECONDS)
    figures.append(f"{signal}: 5 replicas after {up:.1f} s, 1 replica {down:.1f} s after its end")


def test_a_dead_prometheus_leaves_the_fallback_count_and_takes_nothing_away(
    signals: LoadedApp, watch: ReplicaWatch, figures: list[str]
) -> None:
    signals.sandbox.run("stop", "prometheus", "--kill")
    died = time.time()
    fallback = watch.until(FALLBACK, since=died, patience_seconds=PATIENCE_SECONDS)
    tell(signals.sandbox, **CALM | RAISED["requestsWaiting"])
    signals.sandbox.start("full")
    watch.until(MOST, since=time.time(), patience_seconds=PATIENCE_SECONDS)
    wait_until_seen(signals, MOST * RAISED["requestsWaiting"]["requests_waiting"])
    signals.sandbox.run("stop", "prometheus", "--kill")
    died = time.time()
    condition = 'jsonpath={.status.conditions[?(@.type=="Fallback")].status}'
    of_app = ("get", "scaledobject", "vllm", f"--namespace={signals.namespace}")
    signals.sandbox.eventually("True", *of_app, "--output", condition)
    # Two more decisions of the autoscaler's, which makes one each 5 s here.
    time.sleep(11)
    seen = {count.desired for count in watch.between(died, time.time())}
    assert seen == {MOST}, watch.steps(died)
    tell(signals.sandbox, **CALM)
    signals.sandbox.start("full")
    back = watch.until(1, since=time.time(), patience_seconds=PATIENCE_SECONDS)
    figures.append(
        f"without Prometheus: {FALLBACK} replicas after {fallback:.1f} s, 5 stay 5; "
        f"1 replica {back:.1f} s after it is back"
    )


def test_a_span_of_time_scales_1_to_5_and_back(timed: Timed, figures: list[str]) -> None:
    watch, start, end = timed.watch, timed.start, timed.end
    down = watch.until(1, since=end, patience_seconds=PATIENCE_SECONDS)
    up = watch.until(MOST, since=start, patience_seconds=PATIENCE_SECONDS)
    before = {count.desired for count in watch.between(0, start)}
    assert before == {1}, watch.steps(0)
    assert {count.desired for count in watch.between(start + up, end)} == {MOST}
    figures.append(
        f"cron: 5 replicas {up:.1f} s after its start, 1 replica {down:.1f} s after its end"
    )


def test_pulumi_finds_no_change_while_signals_come_and_go(turns: PulumiTurns, timed: Timed) -> None:
    for pulumi in (turns, timed.turns):
        pulumi.wait_for_each()
        assert failures(pulumi.turns) == []
    during = [turn for turn in timed.turns.turns if turn.overlaps(timed.start, timed.end)]
    assert during, "no command ran while the span lasted"
