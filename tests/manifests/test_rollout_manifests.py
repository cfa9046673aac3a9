"""How the pods are replaced, spread, drained and stopped."""

from typing import Any

import pytest

from tests.manifests.dev_stack import container, dev, pod_spec

RECREATE: dict[str, Any] = {"type": "Recreate"}
ONE_BY_ONE: dict[str, Any] = {
    "type": "RollingUpdate",
    "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1},
}
SURGE: dict[str, Any] = {
    "type": "RollingUpdate",
    "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
}


@pytest.mark.parametrize(
    ("preset", "most", "access_mode", "strategy"),
    [
        # One on a full pool, with or without a cache that several nodes can use.
        ("amd-mi210-1", 1, "ReadWriteMany", RECREATE),
        # A spare GPU, but a cache that attaches to one node.
        ("nvidia-l4-1", 1, "ReadWriteOnce", RECREATE),
        ("nvidia-l4-1", 1, "ReadWriteMany", SURGE),
        ("nvidia-l4-1", 5, "ReadWriteMany", SURGE),
        ("nvidia-l4-1", 6, "ReadWriteMany", ONE_BY_ONE),
        ("nvidia-l4-1", 7, "ReadWriteMany", ONE_BY_ONE),
    ],
)
@pytest.mark.parametrize("autoscaled", [True, False])
def test_a_rollout_takes_a_spare_gpu_only_where_one_is_declared(
    preset: str, most: int, access_mode: str, strategy: dict[str, Any], autoscaled: bool
) -> None:
    recording = dev(
        preset=preset,
        replicas=most,
        autoscaling={"enabled": autoscaled, "maxReplicas": most},
        cache={"accessMode": access_mode},
        # An autoscaler may not go above what the preset holds.
        force=True,
    )
    assert recording.only(":Deployment").inputs["spec"]["strategy"] == strategy


@pytest.mark.parametrize("asked", [None, 0, 1800])
def test_a_stop_leaves_time_to_be_forgotten_and_then_to_finish(asked: int | None) -> None:
    recording = dev(rollout={} if asked is None else {"drainSeconds": asked})
    grace, only = pod_spec(recording)["terminationGracePeriodSeconds"], container(recording)
    pre_stop = only["lifecycle"]["preStop"]
    assert set(pre_stop) == {"sleep"}
    drain = int(only["args"][only["args"].index("--shutdown-timeout") + 1])
    wait = pre_stop["sleep"]["seconds"]
    readiness = only["readinessProbe"]
    # Without the wait, a pod would go before the last proxy has seen that it is not ready.
    assert wait >= readiness["periodSeconds"]
    assert drain < grace - wait
    assert drain == (110 if asked is None else asked)
    # A replacement may wait for the whole stop of the pod before it.
    assert recording.only(":Deployment").inputs["spec"]["progressDeadlineSeconds"] > grace


def test_several_pods_are_spread_over_nodes_where_there_are_some_and_drained_one_by_one() -> None:
    recording = dev(autoscaling={"enabled": True, "maxReplicas": 2})
    labels = recording.only(":Deployment").inputs["spec"]["template"]["metadata"]["labels"]
    (spread,) = pod_spec(recording)["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    assert spread["whenUnsatisfiable"] == "ScheduleAnyway"
    budget = recording.only(":PodDisruptionBudget").inputs["spec"]
    assert budget["maxUnavailable"] == 1
    for selector in (spread["labelSelector"], budget["selector"]):
        assert selector["matchLabels"]
        assert selector["matchLabels"].items() <= labels.items()


def test_a_single_pod_has_no_budget_that_would_block_the_drain_of_its_node() -> None:
    recording = dev(autoscaling={"enabled": False})
    assert recording.of_type(":PodDisruptionBudget") == []


def test_a_switch_of_the_autoscaler_leaves_the_pods_as_they_are() -> None:
    on, off = (dev(autoscaling={"enabled": enabled}) for enabled in (True, False))
    assert pod_spec(on) == pod_spec(off)
