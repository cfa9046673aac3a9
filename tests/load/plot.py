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

DESIRED, READY, PULUMI = "replicas desired", "replicas ready", "Pulumi's commands"
"""Labels of the lines of replicas, and of the marks."""

_INCHES = (9.0, 3.2)
_DOTS_PER_INCH = 110


def draw(histories: Mapping[str, History]) -> Figure:
    """Draw one chart for each history, under its name, over the s since its first load began.

    Its axes are two for each chart: one of the rate, as steps of one second, and one of the
    replicas, as lines.
    """
    width, height = _INCHES
    size = (width, height * len(histories))
    figure = Figure(figsize=size, dpi=_DOTS_PER_INCH, layout="constrained")
    charts = figure.subplots(len(histories), 1, squeeze=False)
    for chart, (name, history) in zip(charts[:, 0], histories.items(), strict=True):
        _draw_rate(chart, name, history)
        _draw_replicas(chart.twinx(), history)
    return figure


def write(figure: Figure, file: Path) -> None:
    """Write a figure as PNG."""
    figure.savefig(file, format="png")


def _draw_rate(chart: Axes, name: str, history: History) -> None:
    began = history.phases[LITTLE].began
    sent = Counter(
        int(answer.sent - began) for phase in history.phases.values() for answer in phase.answers
    )
    edges = range(int(history.ended - began) + 2)
    rates = [sent[second] for second in edges[:-1]]
    chart.stairs(rates, edges, fill=True, color="0.85", label="requests/s sent")
    chart.set_title(name, loc="left")
    chart.set_xlabel("s")
    chart.set_ylabel("requests/s")
    chart.set_ylim(0, 750)
    chart.legend(loc="upper left", fontsize="small")


def _draw_replicas(chart: Axes, history: History) -> None:
    began = history.phases[LITTLE].began
    times = [count.at - began for count in history.counts]
    desired = [count.desired for count in history.counts]
    ready = [count.ready for count in history.counts]
    chart.step(times, desired, where="post", color="tab:blue", label=DESIRED)
    chart.step(times, ready, where="post", color="tab:orange", ls=":", label=READY)
    turns = [turn.began - began for turn in history.turns]
    chart.plot(turns, [0.25] * len(turns), ls="", marker="|", color="0.3", label=PULUMI)
    chart.set_ylabel("replicas")
    chart.set_ylim(0, 7.5)
    sides = (("off", "right", -2), ("on", "left", 2))
    for (label, side, points), at in zip(sides, history.switches, strict=True):
        chart.axvline(at - began, color="0.5", lw=0.8)
        chart.annotate(
            label, (at - began, 7), xytext=(points, 0), textcoords="offset points", ha=side
        )
    chart.legend(loc="upper center", fontsize="small")
