"""Replicas that follow the rate of requests, whatever Pulumi does meanwhile."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch

from settings.autoscaling import Autoscaling
from tests.cluster.sandboxes import Sandbox
from tests.load.apps import QUICK, LoadedApp, loaded_app
from tests.load.history import (
    KINDS,
    LITTLE,
    LONGEST_SECONDS,
    MORE,
    MUCH,
    PATIENCE_SECONDS,
    History,
    longest_seconds_to_five,
    play,
)
from tests.load.loads import lost, told
from tests.load.plot import DESIRED, PULUMI, READY, draw, write
from tests.load.turns import COMMANDS, PulumiTurns, failures
from tests.pulumi_project import ROOT

pytestmark = pytest.mark.load


@dataclass(frozen=True, kw_only=True)
class Played:
    """An app with one kind of autoscaler, and what became of it under load."""

    kind: str
    app: LoadedApp
    history: History


@dataclass(frozen=True, kw_only=True)
class Aged:
    """An app with the default autoscaling, and when it was deployed (s since the epoch)."""

    app: LoadedApp
    since: float


@pytest.fixture(scope="module")
def aged(loaded_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aged]:
    """A stack whose route is older than its window, once the other tests have gone by."""
    folder = tmp_path_factory.mktemp("defaults")
    # All stacks' pods run at once: these have other nodes.
    with loaded_app(loaded_sandbox, folder, "load-defaults", preset="nvidia-h100-2") as app:
        app.wait_ready("scaledobjects.keda.sh")
        app.wait_answered()
        yield Aged(app=app, since=time.time())


@pytest.fixture(scope="module")
def histories(pytestconfig: pytest.Config) -> Iterator[dict[str, History]]:
    """All that was played, by kind, of which `--draw` makes the chart of the documentation."""
    kept: dict[str, History] = {}
    yield kept
    if pytestconfig.getoption("draw", default=False) and kept.keys() == KINDS.keys():
        write(draw(kept), ROOT / "docs" / "autoscaling.png")


@pytest.fixture(scope="module", params=list(KINDS))
def played(
    request: pytest.FixtureRequest,
    loaded_sandbox: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
    aged: Aged,  # noqa: ARG001 - deployed before, as its window is to go by
    histories: dict[str, History],
) -> Iterator[Played]:
    """All loads, sent once for each kind."""
    kind: str = request.param
    folder = tmp_path_factory.mktemp(kind)
    with loaded_app(loaded_sandbox, folder, f"load-{kind.lower()}", **KINDS[kind]) as app:
        app.wait_ready("scaledobjects.keda.sh")
        histories[kind] = play(app, **KINDS[kind])
        yield Played(kind=kind, app=app, history=histories[kind])


def test_every_request_is_answered_at_every_rate(played: Played, figures: list[str]) -> None:
    for phase in played.history.phases.values():
        steps = played.history.desired(phase.began, phase.ended)
        figures.append(
            f"{played.kind}, {phase.rate}/s: {told(phase.answers)}; replicas desired {steps}"
        )
        # From the first on, as a busy machine begins late; vegeta makes up for a pause.
        sent = [answer.sent for answer in phase.answers]
        assert len(sent) / (max(sent) - min(sent)) == pytest.approx(phase.rate, rel=0.1)
        assert lost(phase.answers) == []


def test_50_requests_a_second_leave_one_replica(played: Played) -> None:
    little = played.history.phases[LITTLE]
    assert played.history.desired(little.began, little.ended) == [1]


def test_650_requests_a_second_make_five_replicas_and_their_end_makes_one(
    played: Played, figures: list[str]
) -> None:
    history = played.history
    much = history.phases[MUCH]
    figures.append(
        f"{played.kind}: five replicas {history.five_seconds:.1f} s after the load began, one "
        f"{history.one_seconds:.1f} s after its end; window {QUICK['windowSeconds']} s"
    )
    up = history.desired(much.began, much.ended)
    assert up == sorted(up), "it went down while the load lasted"
    assert (up[0], up[-1]) == (1, 5)
    down = history.desired(much.ended, history.phases[MORE].began)
    assert down == sorted(down, reverse=True), "it went up without a load"
    assert (down[0], down[-1]) == (5, 1)


def test_five_replicas_are_desired_as_soon_as_the_window_allows(played: Played) -> None:
    longest = longest_seconds_to_five(QUICK["windowSeconds"])
    assert played.history.five_seconds < longest


def test_250_requests_a_second_settle_at_three_replicas(played: Played) -> None:
    more = played.history.phases[MORE]
    up = played.history.desired(more.began, more.ended)
    assert up == sorted(up)
    assert (up[0], up[-1]) == (1, 3)


def test_pulumi_finds_no_change_while_replicas_come_and_go(
    played: Played, figures: list[str]
) -> None:
    turns = played.history.turns
    assert {turn.command for turn in turns} == COMMANDS
    for command in sorted(COMMANDS):
        took = [turn.seconds for turn in turns if turn.command == command]
        figures.append(
            f"{played.kind}: pulumi {command}, {len(took)} times, {max(took):.1f} s at most"
        )
    assert failures(turns) == []
    off, on = played.history.switches
    assert any(turn.began >= off and turn.began + turn.seconds <= on for turn in turns)
    of_deployment = ("deployment", "vllm", "--show-managed-fields")
    fields = played.app.get(*of_deployment)["metadata"]["managedFields"]
    owners = {
        entry["manager"] for entry in fields if '"f:replicas"' in json.dumps(entry["fieldsV1"])
    }
    assert owners, "nobody has scaled"
    assert not any("pulumi" in owner for owner in owners)


def test_autoscaling_switched_off_and_on_under_load_loses_nothing(played: Played) -> None:
    history = played.history
    more = history.phases[MORE]
    switched = [count for count in history.counts if history.settled <= count.at <= more.ended]
    assert {count.desired for count in switched} == {count.ready for count in switched} == {3}
    assert lost(more.answers) == []


def test_every_request_each_count_and_each_command_is_drawn(played: Played, tmp_path: Path) -> None:
    history = played.history
    began = history.phases[LITTLE].began
    figure = draw({played.kind: history})
    rates, replicas = figure.axes
    lines = {line.get_label(): line for line in replicas.lines}
    counts = history.counts
    assert points(lines[DESIRED]) == [(count.at - began, count.desired) for count in counts]
    assert points(lines[READY]) == [(count.at - began, count.ready) for count in counts]
    commands = [at for at, _ in points(lines[PULUMI])]
    assert commands == [turn.began - began for turn in history.turns]
    assert replicas.get_ylim()[1] > 5
    drawn = drawn_rates(rates)
    assert sum(drawn) == sum(len(phase.answers) for phase in history.phases.values())
    assert rates.get_ylim()[1] > max(drawn) >= MUCH
    for phase in history.phases.values():
        # Whole seconds, and a busy machine begins late.
        steady = drawn[int(phase.began - began) + 3 : int(phase.ended - began) - 1]
        assert sum(steady) / len(steady) == pytest.approx(phase.rate, rel=0.1)
    file = tmp_path / "autoscaling.png"
    write(figure, file)
    assert file.read_bytes().startswith(b"\x89PNG\r\n")


def points(line: Line2D) -> list[tuple[float, float]]:
    """What a line goes through."""
    x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
    return list(zip(x.tolist(), y.tolist(), strict=True))


def drawn_rates(chart: Axes) -> list[float]:
    """The requests of each second that a chart shows."""
    (steps,) = (patch for patch in chart.patches if isinstance(patch, StepPatch))
    return steps.get_data()[0].tolist()


def test_the_default_window_makes_five_replicas_as_soon_as_it_allows(
    aged: Aged, figures: list[str]
) -> None:
    window = Autoscaling().window_seconds
    # A route younger than its window has the mean of its age, which is quicker.
    time.sleep(max(0.0, aged.since + window - time.time()))
    with aged.app.watch() as watch, PulumiTurns(aged.app.project) as pulumi:
        load = aged.app.send(MUCH, LONGEST_SECONDS)
        five = watch.until(5, since=load.began, patience_seconds=PATIENCE_SECONDS)
        steps = watch.steps(load.began)
        load.stop()
        answers = load.answers()
    figures.append(
        f"defaults, window {window} s: five replicas desired after {five:.1f} s "
        f"({steps}); {told(answers)}"
    )
    assert five < longest_seconds_to_five(window)
    assert lost(answers) == []
    assert failures(pulumi.turns) == []
