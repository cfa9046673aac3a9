"""Replicas that stay as they are while the kind of KEDA's objects changes under load."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.cluster.sandboxes import Sandbox
from tests.load.apps import QUICK, loaded_app
from tests.load.history import LONGEST_SECONDS, MORE, PATIENCE_SECONDS, STAY_SECONDS
from tests.load.loads import lost, told
from tests.load.turns import PulumiTurns, failures

pytestmark = pytest.mark.load


def test_a_change_of_kind_and_back_under_load_loses_nothing(
    loaded_sandbox: Sandbox, tmp_path: Path, figures: list[str]
) -> None:
    older, newer = "httpScaledObject", "interceptorRoute"
    with (
        loaded_app(loaded_sandbox, tmp_path, "load-kind", kind=older, **QUICK) as app,
        app.watch() as watch,
        PulumiTurns(app.project) as pulumi,
    ):
        app.wait_ready("scaledobjects.keda.sh")
        app.wait_answered()
        load = app.send(MORE, LONGEST_SECONDS)
        watch.until(3, since=load.began, patience_seconds=PATIENCE_SECONDS)
        settled = time.time()
        changed: list[float] = []
        for kind in (newer, older):
            with pulumi.paused():
                app.set_up(enabled=True, kind=kind, **QUICK)
                changed.append(time.time())
            pulumi.wait_for_another()
        time.sleep(STAY_SECONDS)
        counts = watch.between(settled, load.stop())
        answers = load.answers()
    after = [round(at - settled, 1) for at in changed]
    figures.append(f"kind changed {after} s after three replicas were ready: {told(answers)}")
    assert {count.desired for count in counts} == {count.ready for count in counts} == {3}
    assert lost(answers) == []
    assert failures(pulumi.turns) == []
