"""A change of the server under load, on a pool with a spare GPU and on one without."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.sandboxes import Sandbox
from tests.load.apps import QUICK, loaded_app
from tests.load.history import LITTLE, LONGEST_SECONDS
from tests.load.loads import lost, told

pytestmark = pytest.mark.load


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A preset, the replicas that are allowed there, and the rollout that follows."""

    preset: str
    most: int
    order: str


SPARE = Pool(preset="nvidia-l4-1", most=5, order="a new pod first")
FULL = Pool(preset="amd-mi210-1", most=1, order="the old pod first")


@pytest.mark.parametrize("pool", [SPARE, FULL], ids=["spare", "full"])
def test_a_rollout_under_load_loses_no_request(
    loaded_sandbox: Sandbox, tmp_path: Path, pool: Pool
) -> None:
    scaling: dict[str, Any] = {**QUICK, "maxReplicas": pool.most}
    namespace = f"load-rollout-{pool.preset}"
    with loaded_app(loaded_sandbox, tmp_path, namespace, preset=pool.preset, **scaling) as app:
        app.wait_answered()
        (old,) = app.get("pods", "--selector=app.kubernetes.io/component=server")["items"]
        load = app.send(LITTLE, LONGEST_SECONDS)
        time.sleep(3)
        app.project.succeed("config", "set", "maxModelLen", json.dumps(8192))
        said = app.project.up()
        time.sleep(3)
        load.stop()
        answers = load.answers()
        (new,) = app.get("pods", "--selector=app.kubernetes.io/component=server")["items"]
    assert pool.order in said
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    assert lost(answers) == [], told(answers)
