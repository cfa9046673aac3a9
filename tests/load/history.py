"""What becomes of the replicas at 50, 650 and 250 requests a second, whatever Pulumi does."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from tests.load.apps import QUICK, LoadedApp
from tests.load.loads import Answer, Load
from tests.load.replicas import Count
from tests.load.turns import PulumiTurns, Turn

PER_REPLICA = 100
"""Target in requests/s, by default."""

LITTLE, MUCH, MORE = 50, 650, 250
"""Requests/s that 1, 5 and 3 replicas serve at that."""

KINDS: dict[str, dict[str, Any]] = {
    "InterceptorRoute": {"kind": "interceptorRoute", **QUICK},
    "HTTPScaledObject": {"kind": "httpScaledObject", **QUICK},
}
"""Keys of `autoscaling` by what counts the requests."""

_LITTLE_SECONDS = 16
STAY_SECONDS = QUICK["windowSeconds"] + 5
"""In which the autoscaler, which looks each 5 s here, would leave a count that it does not want."""

LONGEST_SECONDS = 900
"""Of a load that is stopped once it has shown what it is for, however slow the machine is."""

PATIENCE_SECONDS = 180
"""For what takes some ten seconds on an idle machine."""

_SYNC_SECONDS = 5
"""Of the HorizontalPodAutoscaler, as the sandbox sets it (sandbox/core.py)."""

_TOLERANCE = 1.1
"""Of the HorizontalPodAutoscaler: it leaves a count that is wrong by less."""

_READING_SECONDS = 1.5
"""Half a second until the external scaler has asked the interceptors, and one of granularity."""

_BUSY_SECONDS = 15
"""For a machine that is busy with other work as well."""


def longest_seconds_to_five(window_seconds: int) -> float:
    """Give the bound of the time from the begin of the great load to five desired replicas.

    Its parts are those of docs/autoscaling.md: the mean over the window passes what four replicas
    serve, and the HorizontalPodAutoscaler, which has just looked, looks once more, or twice where
    the first look makes fewer.
    """
    passes = 4 * PER_REPLICA * _TOLERANCE / MUCH * window_seconds
    return passes + _READING_SECONDS + 2 * _SYNC_SECONDS + _BUSY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Requests at one rate, from one time to another in s since the epoch, and their answers."""

    rate: int
    began: float
    ended: float
    answers: list[Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A load, the replicas, and what Pulumi did meanwhile.

    `five_seconds` and `one_seconds` are those from the begin and the end of the great load to the
    desire of five replicas and of one. `settled` is when three were ready for the last load, and
    `switches` are the times at which autoscaling had been switched off and on again.
    """

    phases: dict[int, Phase]
    counts: list[Count]
    turns: list[Turn]
    five_seconds: float
    one_seconds: float
    settled: float
    switches: tuple[float, float]
    ended: float

    def desired(self, began: float, ended: float) -> list[int]:
        """Each desired count from one time to another, once for as long as it stays."""
        seen = [count.desired for count in self.counts if began <= count.at <= ended]
        return [n for i, n in enumerate(seen) if i == 0 or seen[i - 1] != n]


def play(app: LoadedApp, **autoscaling: Any) -> History:
    """Send all loads, with autoscaling switched off and on during the last.

    Args:
        app: deployed, with one replica.
        autoscaling: keys that the stack has now.
    """
    app.wait_answered()
    with app.watch() as watch, PulumiTurns(app.project) as pulumi:
        load = app.send(LITTLE, _LITTLE_SECONDS)
        little = _phase(load, ended=load.ends)
        load = app.send(MUCH, LONGEST_SECONDS)
        five = watch.until(5, since=load.began, patience_seconds=PATIENCE_SECONDS)
        time.sleep(STAY_SECONDS)
        much = _phase(load, ended=load.stop())
        one = watch.until(1, since=much.ended, patience_seconds=PATIENCE_SECONDS)
        load = app.send(MORE, LONGEST_SECONDS)
        watch.until(3, since=load.began, patience_seconds=PATIENCE_SECONDS)
        settled = time.time()
        time.sleep(STAY_SECONDS)
        off = _switch(app, pulumi, enabled=False, **autoscaling)
        on = _switch(app, pulumi, enabled=True, **autoscaling)
        time.sleep(STAY_SECONDS)
        more = _phase(load, ended=load.stop())
        ended = time.time()
    return History(
        phases={LITTLE: little, MUCH: much, MORE: more},
        counts=watch.counts,
        turns=pulumi.turns,
        five_seconds=five,
        one_seconds=one,
        settled=settled,
        switches=(off, on),
        ended=ended,
    )


def _switch(app: LoadedApp, pulumi: PulumiTurns, **autoscaling: Any) -> float:
    """Return when the change was made, in s since the epoch, after a command that followed it."""
    with pulumi.paused():
        app.set_up(**autoscaling)
        switched = time.time()
    pulumi.wait_for_another()
    return switched


def _phase(load: Load, *, ended: float) -> Phase:
    answers = load.answers()
    return Phase(rate=load.rate, began=load.began, ended=ended, answers=answers)
