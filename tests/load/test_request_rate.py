"""Replicas that follow the rate of requests, whatever Pulumi does meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.sandboxes import Sandbox
from tests.load.apps import QUICK, LoadedApp, loaded_app
from tests.load.history import KINDS, LITTLE, MORE, MUCH, History, play
from tests.load.loads import lost, told
from tests.load.plot import draw

pytestmark = pytest.mark.load


@dataclass(frozen=True, kw_only=True)
class Played:
    """An app with one kind of autoscaler, and what became of it under load."""

    kind: str
    app: LoadedApp
    history: History


@pytest.fixture(scope="module", params=list(KINDS))
def played(
    request: pytest.FixtureRequest,
    loaded_sandbox: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Played]:
    """All loads, sent once for each kind."""
    kind: str = request.param
    folder = tmp_path_factory.mktemp(kind)
    with loaded_app(loaded_sandbox, folder, f"load-{kind.lower()}", **KINDS[kind]) as app:
        app.wait_ready("scaledobjects.keda.sh")
        yield Played(kind=kind, app=app, history=play(app, **KINDS[kind]))


def test_every_request_is_answered_at_every_rate(played: Played) -> None:
    for phase in played.history.phases.values():
        print(f"{played.kind}, {phase.rate}/s: {told(phase.answers)}")
        # From the first on, as a busy machine begins late; vegeta makes up for a pause.
        sent = [answer.sent for answer in phase.answers]
        assert len(sent) / (max(sent) - min(sent)) == pytest.approx(phase.rate, rel=0.1)
        assert lost(phase.answers) == []


def test_50_requests_a_second_leave_one_replica(played: Played) -> None:
    little = played.history.phases[LITTLE]
    assert played.history.desired(little.began, little.ended) == [1]


def test_650_requests_a_second_make_five_replicas_and_their_end_makes_one(played: Played) -> None:
    history = played.history
    much = history.phases[MUCH]
    print(
        f"{played.kind}: five replicas {history.five_seconds:.1f} s after the load began, one "
        f"{history.one_seconds:.1f} s after its end; window {QUICK['windowSeconds']} s"
    )
    up = history.desired(much.began, much.ended)
    assert up == sorted(up), "it went down while the load lasted"
    assert (up[0], up[-1]) == (1, 5)
    down = history.desired(much.ended, history.phases[MORE].began)
    assert down == sorted(down, reverse=True), "it went up without a load"
    assert (down[0], down[-1]) == (5, 1)


def test_250_requests_a_second_settle_at_three_replicas(played: Played) -> None:
    more = played.history.phases[MORE]
    up = played.history.desired(more.began, more.ended)
    assert up == sorted(up)
    assert (up[0], up[-1]) == (1, 3)


def test_pulumi_finds_no_change_while_replicas_come_and_go(played: Played) -> None:
    turns = played.history.turns
    assert [turn.said for turn in turns if turn.code] == []
    assert {turn.command for turn in turns} == {"up", "refresh", "preview"}
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


def test_rate_and_replicas_are_drawn(played: Played, tmp_path: Path) -> None:
    file = tmp_path / "autoscaling.png"
    draw({played.kind: played.history}, file)
    assert file.read_bytes().startswith(b"\x89PNG\r\n")
