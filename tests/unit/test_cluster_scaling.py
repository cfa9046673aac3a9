"""Who owns the replicas, told from what the cluster holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cluster.observed import ObservedScaler
from cluster.scaling import (
    held_warnings,
    kind_mistakes,
    second_scaler_mistakes,
    settled_kind,
    zero_mistakes,
)
from planning.plan import Plan
from planning.replicas import with_running_replicas
from planning.scaling import Kind, Scaling
from tests.choices import planned, preset

BOTH: frozenset[Kind] = frozenset({"interceptorRoute", "httpScaledObject"})
ROUTE: frozenset[Kind] = frozenset({"interceptorRoute"})
OLDER: frozenset[Kind] = frozenset({"httpScaledObject"})
HPA, SCALED_OBJECT = "HorizontalPodAutoscaler", "ScaledObject"


def plan(**keys: Any) -> Plan:
    shared = {"accessMode": "ReadWriteMany"}
    return planned([preset("l4")], cache=shared, **keys)


def scaled(**keys: Any) -> Plan:
    return plan(autoscaling={"enabled": True, **keys})


def scaling(**keys: Any) -> Scaling:
    found = scaled(**keys).scaling
    assert found is not None
    return found


def scaler(
    kind: str = SCALED_OBJECT,
    name: str = "vllm",
    *,
    owner: tuple[str, str] | None = None,
    ours: bool = True,
) -> ObservedScaler:
    return ObservedScaler(kind=kind, name=name, owner=owner, ours=ours)


@pytest.mark.parametrize(
    ("served", "kind"),
    [
        (BOTH, "interceptorRoute"),
        (ROUTE, "interceptorRoute"),
        (OLDER, "httpScaledObject"),
        (frozenset[Kind](), "interceptorRoute"),
    ],
)
def test_auto_takes_the_route_where_it_is_served(served: frozenset[Kind], kind: Kind) -> None:
    assert settled_kind(scaling(), served) == kind


@pytest.mark.parametrize("asked", ["interceptorRoute", "httpScaledObject"])
@pytest.mark.parametrize("served", [BOTH, ROUTE, OLDER])
def test_a_kind_that_is_asked_for_is_taken(asked: str, served: frozenset[Kind]) -> None:
    assert settled_kind(scaling(kind=asked), served) == asked


def test_the_cooldown_before_zero_is_that_of_the_settled_kind() -> None:
    short: dict[str, Any] = {"minReplicas": 0, "coldStart": {"waitSeconds": 20}}
    route = scaling(**short)
    older = replace(route, kind=settled_kind(route, OLDER))
    assert route.cooldown_seconds == max(route.start_seconds, 300)
    assert older.cooldown_seconds == 20 + route.request_seconds
    assert replace(older, request_seconds=60).cooldown_seconds == route.cooldown_seconds
    assert scaling().cooldown_seconds is None


def test_an_answer_at_once_is_refused_where_only_the_older_kind_is_served() -> None:
    asked = scaling(coldStart={"placeholder": {}})
    assert list(kind_mistakes(asked)) == []
    (mistake,) = kind_mistakes(replace(asked, kind=settled_kind(asked, OLDER)))
    assert mistake.key == "autoscaling.coldStart.placeholder"
    assert list(kind_mistakes(replace(scaling(), kind="httpScaledObject"))) == []


@pytest.mark.parametrize(
    "own",
    [
        scaler(),
        scaler(HPA, "keda-hpa-vllm", owner=("ScaledObject", "vllm")),
    ],
)
def test_what_scales_for_this_app_is_no_second_scaler(own: ObservedScaler) -> None:
    assert list(second_scaler_mistakes(scaled(), [own])) == []


@pytest.mark.parametrize(
    "other",
    [
        scaler(name="by-queue"),
        scaler(ours=False),
        # The HTTP add-on's operator would write it anew, and lower the count as it goes.
        scaler(owner=("HTTPScaledObject", "vllm")),
        scaler(HPA, "vllm"),
        scaler(HPA, "by-cpu", ours=False),
    ],
)
def test_a_second_scaler_is_refused_by_its_name(other: ObservedScaler) -> None:
    (mistake,) = second_scaler_mistakes(scaled(), [scaler(), other])
    assert mistake.key == "autoscaling.enabled"
    assert f"the {other.kind} '{other.name}' in namespace llm scales" in mistake.wrong


def test_a_count_that_two_set_is_a_warning_and_one_that_is_left_alone_is_not() -> None:
    other = scaler(HPA, "by-cpu", ours=False)
    (warning,) = held_warnings(plan(replicas=2), [other])
    assert warning.startswith("replicas: each 'pulumi up' sets 2")
    assert list(held_warnings(plan(), [other])) == []


@pytest.mark.parametrize("keys", [{}, {"replicas": 2}])
def test_an_autoscaler_that_holds_the_app_at_zero_is_not_switched_off(keys: dict[str, Any]) -> None:
    (mistake,) = zero_mistakes(plan(**keys), 0, [scaler()])
    assert mistake.key == "autoscaling.enabled"
    assert "minReplicas to 1, without idleReplicas" in mistake.remedy


def test_a_count_of_zero_that_nobody_else_keeps_or_that_is_asked_for_is_taken() -> None:
    for running in (None, 1):
        assert list(zero_mistakes(plan(), running, [scaler()])) == []
    assert list(zero_mistakes(plan(), 0, [])) == []
    assert list(zero_mistakes(plan(), 0, [scaler(ours=False), scaler(name="by-queue")])) == []
    assert list(zero_mistakes(plan(replicas=0), 0, [scaler()])) == []


def test_a_plan_that_leaves_the_count_alone_is_for_as_many_as_run() -> None:
    one = plan()
    assert (one.server.replicas, one.rollout.strategy) == (1, "Recreate")
    five = with_running_replicas(one, 5)
    assert (five.server.replicas, five.server.max_replicas) == (1, 5)
    assert (five.rollout.strategy, five.rollout.max_unavailable) == ("RollingUpdate", 1)
    assert five.rollout.update_seconds == 5 * five.rollout.progress_seconds
    for running in (None, 0, 1):
        assert with_running_replicas(one, running) == one


def test_a_count_that_the_stack_or_the_autoscaler_owns_is_planned_for_already() -> None:
    for owned in (plan(replicas=2), scaled()):
        assert with_running_replicas(owned, 9) == owned
