"""The start budget follows from the model's bytes, the rollout from the pool."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planning.explain import preview_lines
from planning.rollout import WARM_UP_SECONDS, plan_drain, plan_rollout, start_budget
from settings.models import Preset
from tests.choices import planned, preset

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


def test_the_time_of_a_new_node_stands_in_the_preview_beside_what_it_is_added_to() -> None:
    lines = "\n".join(preview_lines(planned([preset("l4")], rollout={"nodeSeconds": 600})))
    assert "start budget 1093 s (node 600, image 120, load 73, warm-up 300)" in lines
    given = {"nodeSeconds": 600, "startSeconds": 100}
    lines = "\n".join(preview_lines(planned([preset("l4")], rollout=given)))
    assert "start budget 700 s (node 600, rollout.startSeconds)" in lines


@given(weights, st.integers(0, 9), st.none() | st.integers(0, 9), st.booleans())
def test_a_rollout_never_asks_for_more_pods_than_the_pool_holds(
    size: int, pods: int, capacity: int | None, shared_cache: bool
) -> None:
    start, drain = start_budget(size, override=None), plan_drain({"--shutdown-timeout"})
    placement = replace(planned([preset("l4")]).placement, capacity=capacity)
    made = plan_rollout(
        pods, placement=placement, shared_cache=shared_cache, start=start, drain=drain
    )
    if made.max_surge:
        assert shared_cache
        assert capacity is not None
        assert pods + made.max_surge <= capacity
    # Either a pod may come before one goes, or one may go before another comes.
    assert made.max_surge + made.max_unavailable == 1
    assert made.progress_seconds == start.seconds + drain.grace_seconds
    assert made.update_seconds >= pods * made.progress_seconds


@pytest.mark.parametrize(
    ("pods", "capacity", "replaced"),
    [
        # A group beside the others, before the first of them is replaced.
        (2, 3, 3),
        (2, 2, 2),
        # No group comes beside a single one.
        (1, 3, 1),
        (1, None, 1),
        (0, 3, 1),
    ],
)
def test_an_update_of_groups_may_take_both_stops_and_a_start_for_each(
    pods: int, capacity: int | None, replaced: int
) -> None:
    start, drain = start_budget(10**12, override=None), plan_drain({"--shutdown-timeout"})
    placement = replace(planned([preset("l4")]).placement, capacity=capacity, nodes=2)
    made = plan_rollout(pods, placement=placement, shared_cache=True, start=start, drain=drain)
    # The workers are stopped once their leader has gone.
    assert made.update_seconds == replaced * (start.seconds + 2 * drain.grace_seconds)
    assert made.max_surge == int(replaced > max(pods, 1))
    assert made.max_unavailable == 1 - made.max_surge


def test_a_single_group_goes_before_another_comes_since_its_operator_makes_none_beside_it() -> None:
    start, drain = start_budget(10**12, override=None), plan_drain({"--shutdown-timeout"})
    placement = replace(planned([preset("l4")]).placement, capacity=2, nodes=2)
    made = plan_rollout(1, placement=placement, shared_cache=True, start=start, drain=drain)
    assert (made.max_surge, made.max_unavailable) == (0, 1)
    assert made.reason == "the old pod first, since a single group is replaced in its place"


def test_a_rollout_says_which_and_why() -> None:
    shared = {"accessMode": "ReadWriteMany"}

    def said(presets: list[Preset], **keys: Any) -> str:
        line = next(line for line in preview_lines(planned(presets, **keys)) if "rollout:" in line)
        return line.strip().removeprefix("rollout: ")

    room, full, silent = (preset("l4", capacity=capacity) for capacity in (2, 1, None))
    assert (
        said([room]) == "Recreate, the old pod first, since its cache may attach to one node only"
    )
    assert said([full], cache=shared) == (
        "Recreate, the old pod first, since 'l4-1' has room for 1 only"
    )
    assert said([silent], cache=shared) == (
        "Recreate, the old pod first, since 'l4-1' declares no spare capacity"
    )
    assert said([room], cache=shared) == (
        "RollingUpdate, a new pod first, since 'l4-1' has room for 2 and at most 1 run"
    )
    assert said([room], cache=shared, replicas=2) == (
        "RollingUpdate, one by one, since 'l4-1' has room for 2 only"
    )


@given(st.integers(0, 86400))
def test_the_stack_may_give_requests_longer_and_the_kubelet_waits_for_that(seconds: int) -> None:
    drain = plan_drain({"--shutdown-timeout"}, override=seconds)
    assert drain.shutdown_timeout == seconds
    assert drain.grace_seconds > drain.pre_stop_seconds + seconds
    plain = plan_drain({"--shutdown-timeout"})
    assert plain.grace_seconds - drain.grace_seconds == (plain.shutdown_timeout or 0) - seconds


def test_a_version_that_cannot_drain_is_not_told_to_and_the_preview_says_so() -> None:
    assert plan_drain(()).shutdown_timeout is None
    plan = replace(planned([preset("l4")]), drain=plan_drain(()))
    assert any("a stop aborts requests" in line for line in preview_lines(plan))
