"""The start budget and the cache's size follow from the model's bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from planning.rollout import GIB, WARM_UP_SECONDS, cache_size, start_budget

weights = st.integers(min_value=1, max_value=2 * 10**12)


@given(weights, weights)
def test_more_bytes_never_get_less_time(one: int, other: int) -> None:
    small, large = sorted((one, other))
    budgets = [start_budget(size, override=None).seconds for size in (small, large)]
    assert WARM_UP_SECONDS < budgets[0] <= budgets[1]


def test_a_larger_model_gets_more_time_than_a_small_one() -> None:
    small = start_budget(14_496_047_104, override=None).seconds
    assert start_budget(10 * 14_496_047_104, override=None).seconds > 3 * small


def test_the_stack_may_set_the_budget() -> None:
    assert start_budget(10**12, override=42).seconds == 42


@given(weights)
def test_the_cache_holds_two_revisions(size: int) -> None:
    text = cache_size(size)
    assert text.endswith("Gi")
    assert int(text.removesuffix("Gi")) * GIB >= 2 * size
