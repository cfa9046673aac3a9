"""Why pods do not run, from what was observed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.diagnosis import event_lines, pool_lines, refused_lines
from cluster.observed import ObservedEvent, ObservedNode, ObservedPod
from cluster.taints import Taint
from planning.plan import Toleration

L4 = {"nvidia.com/gpu.product": "NVIDIA-L4"}


def node(name: str, labels: dict[str, str], gpus: str, *taints: str) -> ObservedNode:
    allocatable = {"nvidia.com/gpu": gpus}
    found = tuple(Taint(key=key, value="present", effect="NoSchedule") for key in taints)
    return ObservedNode(name=name, labels=labels, taints=found, allocatable=allocatable)


def toleration(key: str | None, value: str | None = None, effect: str | None = None) -> Toleration:
    operator = "Exists" if value is None else "Equal"
    return Toleration(
        key=key, operator=operator, value=value, effect=effect, toleration_seconds=None
    )


def pod(*tolerated: str | None, gpus: str = "1") -> ObservedPod:
    return ObservedPod(
        name="vllm",
        phase="Pending",
        node=None,
        node_selector=L4,
        tolerated=tuple(toleration(key) for key in tolerated),
        limits={"nvidia.com/gpu": gpus},
    )


def test_a_pool_that_matches_is_told_from_one_that_does_not() -> None:
    nodes = [
        node("a", L4, "1", "nvidia.com/gpu"),
        node("b", L4, "1", "nvidia.com/gpu"),
        node("c", {"nvidia.com/gpu.product": "Tesla-T4"}, "1", "nvidia.com/gpu"),
        node("d", {}, "0"),
    ]
    assert list(pool_lines(pod("nvidia.com/gpu"), nodes)) == [
        "pools that offer 1 nvidia.com/gpu:",
        "  NVIDIA-L4 (2 nodes of 1): matches, but has none free",
        "  Tesla-T4 (1 node of 1): nvidia.com/gpu.product is Tesla-T4, the pod asks for NVIDIA-L4",
    ]


def test_an_untolerated_taint_is_named_and_a_toleration_of_all_taints_counts() -> None:
    nodes = [node("a", L4, "1", "nvidia.com/gpu")]
    assert "does not tolerate its taint nvidia.com/gpu" in list(pool_lines(pod("other"), nodes))[1]
    assert "matches" in list(pool_lines(pod(None), nodes))[1]


@pytest.mark.parametrize(
    ("given", "tolerates"),
    [
        (toleration("nvidia.com/gpu"), True),
        (toleration("nvidia.com/gpu", effect="NoSchedule"), True),
        (toleration("nvidia.com/gpu", effect="NoExecute"), False),
        (toleration("nvidia.com/gpu", "present"), True),
        (toleration("nvidia.com/gpu", "present", "NoSchedule"), True),
        (toleration("nvidia.com/gpu", "true", "NoSchedule"), False),
        (toleration("nvidia.com/gpu", ""), False),
        (toleration(None, effect="NoSchedule"), True),
        (toleration(None, effect="NoExecute"), False),
    ],
)
def test_a_toleration_is_compared_by_key_value_and_effect(
    given: Toleration, *, tolerates: bool
) -> None:
    pending = replace(pod(), tolerated=(toleration("other"), given))
    _, line = pool_lines(pending, [node("a", L4, "1", "nvidia.com/gpu")])
    taint = "nvidia.com/gpu=present:NoSchedule"
    why = (
        "matches, but has none free"
        if tolerates
        else f"the pod does not tolerate its taint {taint}"
    )
    assert line == f"  NVIDIA-L4 (1 node of 1): {why}"


def test_a_node_that_is_too_small_is_told_from_one_that_is_full() -> None:
    offers = {"nvidia.com/gpu": "1", "cpu": "8", "memory": "30Gi"}
    small = replace(node("a", L4, "1"), allocatable=offers)
    asking = replace(pod(), requests={"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "1"})
    assert list(pool_lines(asking, [small]))[1:] == [
        "  NVIDIA-L4 (1 node of 1): gives pods memory 30Gi, the pod asks for 32Gi"
    ]
    fitting = replace(asking, requests={"cpu": "8", "memory": "30Gi"})
    assert list(pool_lines(fitting, [small]))[1:] == [
        "  NVIDIA-L4 (1 node of 1): matches, but has none free"
    ]


def test_pods_that_were_never_made_are_told_with_the_last_reason() -> None:
    def event(seen: str, reason: str, message: str) -> ObservedEvent:
        return ObservedEvent(last_seen=seen, reason=reason, message=message)

    events = {
        "vllm-5d": [
            event("2", "FailedCreate", "pods vllm-5d-b: exceeded quota"),
            event("1", "FailedCreate", "pods vllm-5d-a: exceeded quota"),
            event("3", "ScalingReplicaSet", "scaled up"),
        ],
        "vllm-4c": [event("0", "SuccessfulCreate", "made")],
    }
    assert list(refused_lines(events)) == ["vllm-5d: FailedCreate: pods vllm-5d-b: exceeded quota"]


def test_a_cluster_without_such_gpus_says_so() -> None:
    nodes = [node("a", L4, "1")]
    assert list(pool_lines(pod(gpus="8"), nodes)) == ["no node offers 8 nvidia.com/gpu"]


def test_a_download_that_waits_for_a_pool_of_gpus_is_told_which_there_are() -> None:
    nodes = [node("a", {"nvidia.com/gpu.product": "Tesla-T4"}, "1"), node("b", L4, "8")]
    assert list(pool_lines(replace(pod(), limits={}), nodes)) == [
        "pools that offer GPUs:",
        "  NVIDIA-L4 (1 node of 8): matches",
        "  Tesla-T4 (1 node of 1): nvidia.com/gpu.product is Tesla-T4, the pod asks for NVIDIA-L4",
    ]


def test_repeated_events_are_told_once_in_the_order_of_their_last_sight() -> None:
    def event(seen: str, reason: str) -> ObservedEvent:
        return ObservedEvent(last_seen=seen, reason=reason, message="m")

    events = [event("3", "Pulled"), event("1", "Pulled"), event("2", "FailedScheduling")]
    assert list(event_lines(events)) == ["FailedScheduling: m", "Pulled: m"]
