"""What a live claim says about the planned cache."""

from __future__ import annotations

import pytest

from cluster.observed import ObservedNode
from cluster.preflight import cache_mistakes, sharing_mistakes
from planning.plan import Cache
from tests.choices import planned, preset

GIB = 2**30


def cache(size: str, *, asked: bool, files_gib: int = 14) -> Cache:
    return Cache(
        claim="vllm-cache",
        size=size,
        size_is_asked=asked,
        files_bytes=files_gib * GIB,
        storage_class=None,
        access_mode="ReadWriteOnce",
        retain=True,
        path="/models",
    )


@pytest.mark.parametrize("held", [None, 30 * GIB, 100 * GIB])
def test_a_size_that_nobody_asked_for_follows_the_claim(held: int | None) -> None:
    assert cache_mistakes(cache("30Gi", asked=False), held) == []


def test_a_claim_too_small_for_the_model_is_refused_with_both_figures() -> None:
    (mistake,) = cache_mistakes(cache("100Gi", asked=False, files_gib=45), 30 * GIB)
    assert "has 30.0 GiB, and the model's files take 45.0 GiB" in str(mistake)


@pytest.mark.parametrize("held", [None, 30 * GIB])
def test_a_size_below_the_model_is_refused_before_a_claim_is_made_or_grows(
    held: int | None,
) -> None:
    (mistake,) = cache_mistakes(cache("40Gi", asked=True, files_gib=45), held)
    assert "has 40.0 GiB, and the model's files take 45.0 GiB" in str(mistake)


def test_shrinking_is_refused_and_growing_is_not() -> None:
    (mistake,) = cache_mistakes(cache("20Gi", asked=True), 30 * GIB)
    assert str(mistake).startswith("cache.size: 20Gi is less than the 30.0 GiB of the claim")
    assert cache_mistakes(cache("30Gi", asked=True), 30 * GIB) == []
    assert cache_mistakes(cache("31Gi", asked=True), 30 * GIB) == []


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
