"""What the nodes of a pool and other stacks say about a plan."""

from __future__ import annotations

import pytest

from cluster.observed import ObservedNode
from cluster.ownership import owner_mistakes
from cluster.preflight import room_warnings, sharing_mistakes
from tests.choices import planned, preset


def node(strategy: str) -> ObservedNode:
    labels = {"nvidia.com/gpu.sharing-strategy": strategy}
    return ObservedNode(name=f"gpu-{strategy}", labels=labels, taints=(), allocatable={})


@pytest.mark.parametrize("strategy", ["time-slicing", "mps"])
def test_a_pool_with_a_shared_gpu_is_refused_unless_forced(strategy: str) -> None:
    pool = [node("none"), node(strategy)]
    (mistake,) = sharing_mistakes(planned([preset("l4")]).placement, pool)
    assert f"node gpu-{strategy} of 'l4-1' shares its GPUs" in str(mistake)
    assert sharing_mistakes(planned([preset("l4")], force=True).placement, pool) == []
    assert sharing_mistakes(planned([preset("l4")]).placement, [node("none")]) == []


def sized(cpu: str, memory: str) -> ObservedNode:
    allocatable = {"cpu": cpu, "memory": memory, "nvidia.com/gpu": "1"}
    return ObservedNode(name=cpu, labels={}, taints=(), allocatable=allocatable)


def test_nodes_that_are_too_small_for_a_pod_of_the_preset_are_warned_of() -> None:
    plan = planned([preset("l4", cpu="8", memory="32Gi")])
    small, tight = sized("4", "15Gi"), sized("7910m", "64Gi")
    (warning,) = room_warnings(plan, [small, tight])
    assert warning.startswith(
        "preset: 'l4-1' asks for cpu 8, and the nodes of its pool give pods 7910m at most"
    )
    (warning,) = room_warnings(plan, [sized("8", "30Gi")])
    assert "asks for memory 32Gi, and the nodes of its pool give pods 30Gi at most" in warning
    assert list(room_warnings(plan, [small, sized("8000m", "33554432Ki")])) == []


def test_a_name_that_another_stack_s_app_has_in_the_namespace_is_refused() -> None:
    names = planned([preset("l4")], stack="prod").names
    (mistake,) = owner_mistakes(names, "staging")
    assert str(mistake).startswith(
        "name: 'vllm' is in namespace llm already, made by the stack 'staging'"
    )
    assert "kubectl annotate --overwrite -n llm service vllm mistral-vllm/stack=prod" in str(
        mistake
    )
    assert list(owner_mistakes(names, "prod")) == []
    assert list(owner_mistakes(names, None)) == []
