"""Who owns the replicas, told from what the cluster holds."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.observed import ObservedScaler
from cluster.scaling import held_warnings, restore_warnings, second_scaler_mistakes, settled_kind
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
    original: int | None = None,
) -> ObservedScaler:
    return ObservedScaler(kind=kind, name=name, owner=owner, ours=ours, original=original)


@pytest.mark.parametrize(
    ("served", "held", "kind"),
    [
        (BOTH, False, "interceptorRoute"),
        (ROUTE, False, "interceptorRoute"),
        (OLDER, False, "httpScaledObject"),
        # A new add-on does not move an app over by itself: that takes two steps.
        (BOTH, True, "httpScaledObject"),
        (frozenset[Kind](), False, "interceptorRoute"),
    ],
)
def test_auto_takes_the_route_where_it_is_served(
    served: frozenset[Kind], held: bool, kind: Kind
) -> None:
    assert settled_kind(scaling(), served, held=held) == kind


@pytest.mark.parametrize("asked", ["interceptorRoute", "httpScaledObject"])
@pytest.mark.parametrize("served", [BOTH, ROUTE, OLDER])
def test_a_kind_that_is_asked_for_is_taken(asked: str, served: frozenset[Kind]) -> None:
    assert settled_kind(scaling(kind=asked), served, held=False) == asked


@pytest.mark.parametrize(
    "own",
    [
        scaler(),
        scaler(owner=("HTTPScaledObject", "vllm")),
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


def test_the_older_kind_that_goes_and_lowers_the_count_is_a_warning() -> None:
    older = scaler(owner=("HTTPScaledObject", "vllm"), original=1)
    (warning,) = restore_warnings(plan(), [older], running=4)
    assert "sets the replicas back to 1" in warning
    assert list(restore_warnings(plan(), [older], running=1)) == []
    assert list(restore_warnings(scaled(kind="httpScaledObject"), [older], running=4)) == []
    # Its operator takes over a ScaledObject of that name, which then goes.
    assert list(restore_warnings(scaled(kind="httpScaledObject"), [scaler(original=1)], running=4))
    assert list(restore_warnings(plan(), [scaler(original=1)], running=4)) == []


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
