"""Measures what docs/autoscaling.md says, and draws docs/autoscaling.png."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.cluster.sandboxes import Sandbox, new_sandbox
from tests.load.apps import loaded_app
from tests.load.history import KINDS, MUCH, History, play
from tests.load.loads import told
from tests.load.plot import draw
from tests.pulumi_project import ROOT

_DRAWING = ROOT / "docs" / "autoscaling.png"
_SYNC_SECONDS = 10
"""Two looks of the HorizontalPodAutoscaler, as the sandbox sets it."""


def main() -> None:
    """Send all loads of both kinds, and the great one with the default settings."""
    histories: dict[str, History] = {}
    with tempfile.TemporaryDirectory() as folder, new_sandbox() as sandbox:
        sandbox.start("full")
        for name, keys in KINDS.items():
            with loaded_app(sandbox, Path(folder) / name, f"load-{name.lower()}", **keys) as app:
                app.wait_ready("scaledobjects.keda.sh")
                histories[name] = play(app, **keys)
            print("\n".join(figures(name, histories[name])), flush=True)
        for window in (60, 5):
            print(time_to_five(sandbox, Path(folder), window), flush=True)
    draw(histories, _DRAWING)


def figures(name: str, history: History) -> list[str]:
    """What came of each rate, and what Pulumi did meanwhile."""
    took: dict[str, list[float]] = {}
    for turn in history.turns:
        took.setdefault(turn.command, []).append(turn.seconds)
    return [
        *(
            f"{name}, {phase.rate}/s: replicas {history.desired(phase.began, phase.ended)}; "
            f"{told(phase.answers)}"
            for phase in history.phases.values()
        ),
        f"{name}: five replicas desired after {history.five_seconds:.1f} s, one "
        f"{history.one_seconds:.1f} s after the end",
        *(
            f"{name}: pulumi {command}, {len(seconds)} times, {max(seconds):.1f} s at most"
            for command, seconds in took.items()
        ),
    ]


def time_to_five(sandbox: Sandbox, folder: Path, window: int) -> str:
    """Measure the time from the begin of the great load to five desired replicas.

    Args:
        sandbox: the full one.
        folder: for the files of the stack.
        window: `windowSeconds`; all else is the default.
    """
    name = f"window-{window}"
    with loaded_app(sandbox, folder / name, f"load-{name}", windowSeconds=window) as app:
        app.wait_ready("scaledobjects.keda.sh")
        with app.watch() as watch:
            # A route younger than its window has the mean of its age, which is quicker.
            time.sleep(window)
            seconds = 0.8 * window + _SYNC_SECONDS
            load = app.send(MUCH, seconds)
            five = watch.until(5, since=load.began, patience_seconds=seconds)
            steps = watch.steps(load.began)
            answers = load.answers()
    return f"window {window} s: five replicas desired after {five:.1f} s ({steps}); {told(answers)}"


if __name__ == "__main__":
    main()
