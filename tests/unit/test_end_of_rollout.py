"""When a rollout counts as over, by the status that its controller writes."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.rollout import observed_rollout

COMPLETE, GOING = "NewReplicaSetAvailable", "ReplicaSetUpdated"


def deployment(
    reason: str = COMPLETE, *, seen: int = 2, wanted: int = 1, **status: Any
) -> dict[str, Any]:
    conditions = [
        {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
        {"type": "Progressing", "status": "True", "reason": reason},
    ]
    return {
        "metadata": {"generation": 2},
        "spec": {"replicas": wanted},
        "status": {"observedGeneration": seen, "conditions": conditions, **status},
    }


@pytest.mark.parametrize(
    "over",
    [
        deployment(replicas=1, updatedReplicas=1),
        # Scaled up since, on a pool that is full.
        deployment(wanted=5, replicas=5, updatedReplicas=5, availableReplicas=3),
        deployment(wanted=0),
    ],
)
def test_a_rollout_is_over_once_all_pods_are_new_and_were_ready(over: dict[str, Any]) -> None:
    assert observed_rollout(over).is_over


@pytest.mark.parametrize(
    "going",
    [
        {"metadata": {"generation": 1}, "spec": {}},
        deployment(seen=1, replicas=1, updatedReplicas=1),
        # The old pod is still there, or has just gone; the conditions are still its own.
        deployment(replicas=1),
        deployment(),
        deployment(GOING, replicas=1, updatedReplicas=1),
        deployment("ProgressDeadlineExceeded", replicas=1, updatedReplicas=1),
        deployment(GOING, wanted=2, replicas=2, updatedReplicas=1),
    ],
)
def test_conditions_of_the_old_pods_do_not_end_a_rollout(going: dict[str, Any]) -> None:
    assert not observed_rollout(going).is_over
