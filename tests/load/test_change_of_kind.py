"""Replicas that stay as they are while the kind of KEDA's objects changes under load."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.cluster.sandboxes import Sandbox
from tests.load.apps import QUICK, loaded_app
from tests.load.history import MORE, SETTLED_SECONDS
from tests.load.loads import lost, told

pytestmark = pytest.mark.load

_SECONDS = SETTLED_SECONDS + 30


def test_a_change_of_kind_and_back_under_load_loses_nothing(
    loaded_sandbox: Sandbox, tmp_path: Path
) -> None:
    older, newer = "httpScaledObject", "interceptorRoute"
    with (
        loaded_app(loaded_sandbox, tmp_path, "load-kind", kind=older, **QUICK) as app,
        app.watch() as watch,
    ):
        app.wait_ready("scaledobjects.keda.sh")
        load = app.send(MORE, _SECONDS)
        settled = load.began + SETTLED_SECONDS
        time.sleep(max(0.0, settled - time.time()))
        changed: list[float] = []
        for kind in (newer, older):
            app.set_up(enabled=True, kind=kind, **QUICK)
            changed.append(time.time())
        answers = load.answers()
        counts = watch.between(settled, load.ends)
    print(f"changed {[round(at - settled, 1) for at in changed]} s later: {told(answers)}")
    assert changed[-1] < load.ends
    assert {count.desired for count in counts} == {count.ready for count in counts} == {3}
    assert lost(answers) == []
