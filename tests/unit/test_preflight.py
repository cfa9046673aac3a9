"""What the live nodes say about a plan."""

from __future__ import annotations

import pytest

from cluster.observed import ObservedNode
from cluster.preflight import sharing_mistakes
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
