"""Draws the rate of requests and the replicas over time."""

# matplotlib's types leave the keyword arguments of what draws open.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.load.history import LITTLE, History

_INCHES = (9.0, 3.2)
_DOTS_PER_INCH = 110


def draw(histories: Mapping[str, History], file: Path) -> None:
    """Write a PNG with one chart for each history, under its name."""
    width, height = _INCHES
    figure = Figure(figsize=(width, height * len(histories)), layout="constrained")
    charts = figure.subplots(len(histories), 1, squeeze=False)
    for chart, (name, history) in zip(charts[:, 0], histories.items(), strict=True):
        _draw_one(chart, name, history)
    figure.savefig(file, dpi=_DOTS_PER_INCH)


def _draw_one(chart: Axes, name: str, history: History) -> None:
    began = history.phases[LITTLE].began
    sent = Counter(
        int(answer.sent - began) for phase in history.phases.values() for answer in phase.answers
    )
    seconds = list(range(int(history.ended - began) + 1))
    rates = [sent[second] for second in seconds]
    chart.fill_between(seconds, rates, step="post", color="0.85", label="requests/s sent")
    chart.set_title(name, loc="left")
    chart.set_xlabel("s")
    chart.set_ylabel("requests/s")
    chart.set_ylim(0, 750)
    replicas = chart.twinx()
    times = [count.at - began for count in history.counts]
    asked = [count.desired for count in history.counts]
    ready = [count.ready for count in history.counts]
    replicas.step(times, asked, where="post", color="tab:blue", label="replicas desired")
    replicas.step(times, ready, where="post", color="tab:orange", ls=":", label="replicas ready")
    replicas.set_ylabel("replicas")
    replicas.set_ylim(0, 7.5)
    sides = (("off", "right", -2), ("on", "left", 2))
    for (label, side, points), at in zip(sides, history.switches, strict=True):
        replicas.axvline(at - began, color="0.5", lw=0.8)
        replicas.annotate(
            label, (at - began, 7), xytext=(points, 0), textcoords="offset points", ha=side
        )
    for turn in history.turns:
        replicas.plot(turn.began - began, 0.25, marker="|", color="0.3")
    chart.legend(loc="upper left", fontsize="small")
    replicas.legend(loc="upper center", fontsize="small")
