"""The planned autoscaler: spelling of durations, bounds, queries, and what is said of it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planning.errors import PlanError
from planning.explain import preview_lines
from planning.names import Names
from planning.plan import Plan
from planning.scaling import Scaling, go_duration
from planning.scaling_rate import written
from planning.stack import make_plan
from planning.triggers import plan_triggers, pods
from settings.autoscaling import Autoscaling
from settings.models import Preset
from settings.parse import parse
from tests.choices import only, planned, preset

_UNITS = {"h": 3600, "m": 60, "s": 1}
NAMES = Names(app="vllm", namespace="llm", stack="dev")
L4 = [preset("l4")]
SPAN = {"start": "0 8 * * *", "end": "0 18 * * *", "timezone": "UTC", "replicas": 2}


@given(st.integers(min_value=0, max_value=10**7))
def test_a_duration_keeps_its_seconds_and_has_one_spelling(seconds: int) -> None:
    text = go_duration(seconds)
    parts = re.findall(r"(\d+)([hms])", text)
    assert "".join(number + unit for number, unit in parts) == text
    assert sum(int(number) * _UNITS[unit] for number, unit in parts) == seconds
    # Go prints 60 as 1m0s: only the first part may exceed its unit, and none between is left out.
    assert all(int(number) < 60 for number, _ in parts[1:])
    assert [unit for _, unit in parts] == list("hms")[-len(parts) :]


def test_the_default_window_is_spelt_as_the_operator_rewrites_it() -> None:
    assert go_duration(60) == "1m0s"


def with_scaling(presets: list[Preset] = L4, *, force: bool = False, **keys: Any) -> Plan:
    shared = {"accessMode": "ReadWriteMany"}
    return planned(presets, autoscaling={"enabled": True, **keys}, cache=shared, force=force)


def scaling(presets: list[Preset] = L4, **keys: Any) -> Scaling:
    found = with_scaling(presets, **keys).scaling
    assert found is not None
    return found


def test_autoscaling_is_one_to_five_replicas_at_a_hundred_requests_per_second() -> None:
    found = scaling()
    assert (found.min_replicas, found.max_replicas) == (1, 5)
    assert (found.requests_per_second, found.window_seconds) == (100, 60)
    assert (found.granularity_seconds, found.scale_down_seconds) == (1, 300)
    assert found.scaler_address == "keda-add-ons-http-external-scaler.keda:9090"
    assert (found.kind, found.kind_is_asked, found.triggers) == ("interceptorRoute", False, ())


def test_disabled_autoscaling_plans_nothing() -> None:
    assert planned(L4).scaling is None


@pytest.mark.parametrize(("capacity", "most"), [(None, 5), (9, 5), (2, 2), (0, 1)])
def test_the_default_maximum_is_what_the_preset_holds(capacity: int | None, most: int) -> None:
    # Only by force is a preset taken that holds no replica at all.
    plan = with_scaling([preset("l4", capacity=capacity)], force=capacity == 0)
    assert plan.scaling is not None
    assert plan.scaling.max_replicas == plan.server.max_replicas == most


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ({"maxReplicas": 3}, "autoscaling.maxReplicas"),
        ({"minReplicas": 3}, "autoscaling.minReplicas"),
    ],
)
def test_replicas_that_the_preset_does_not_hold_are_refused_unless_forced(
    asked: dict[str, Any], key: str
) -> None:
    few = [preset("l4", capacity=2)]
    with pytest.raises(PlanError) as refused:
        with_scaling(few, **asked)
    mistake = only(refused.value.mistakes)
    assert mistake.key == key
    assert mistake.wrong == "3 is above the 2 that the preset has capacity for"
    forced = with_scaling(few, force=True, **asked)
    assert forced.server.max_replicas == 3
    assert any("more than its capacity of 2" in warning for warning in forced.warnings)


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ({"fallback": {"replicas": 4}}, "autoscaling.fallback.replicas"),
        ({"cron": [SPAN, SPAN | {"replicas": 5}]}, "autoscaling.cron[1].replicas"),
    ],
)
def test_counts_within_the_default_maximum_are_held_against_the_capacity_that_lowers_it(
    asked: dict[str, Any], key: str
) -> None:
    for roomy in (None, 5):
        with_scaling([preset("l4", capacity=roomy)], **asked)
    for force in (False, True):
        with pytest.raises(PlanError) as refused:
            with_scaling([preset("l4", capacity=2)], force=force, **asked)
        mistake = only(refused.value.mistakes)
        assert mistake.key == key
        assert mistake.remedy == "set it to 2 at most, or raise the preset's capacity"
    with_scaling([preset("l4", capacity=2)], force=True, maxReplicas=5, **asked)


def test_a_cache_for_one_pod_is_held_against_the_replicas_that_the_preset_has_room_for() -> None:
    def settled(capacity: int | None, *dearer: Preset, **keys: Any) -> int:
        presets = [preset("l4", capacity=capacity), *dearer]
        raw = {
            "model": "mistral-7b-instruct",
            "kubernetes": json.dumps({"context": "test"}),
            "ingress": json.dumps({"enabled": False}),
            "cache": json.dumps({"storageClass": "fast", "accessMode": "ReadWriteOnce"}),
            "autoscaling": json.dumps({"enabled": True, **keys}),
            "presets": json.dumps([one.model_dump(by_alias=True) for one in presets]),
        }
        parsed = parse(raw, secret=frozenset())
        if parsed.settings is None:
            raise PlanError(*parsed.mistakes)
        return make_plan(parsed.settings, stack="dev").server.max_replicas

    assert settled(1) == settled(5, maxReplicas=1) == 1
    refusals: list[tuple[int | None, dict[str, int], str]] = [
        (3, {}, "ReadWriteOnce cannot serve 3 replicas"),
        (None, {}, "ReadWriteOnce cannot serve 5 replicas"),
        (1, {"maxReplicas": 2}, "ReadWriteOnce cannot serve 2 replicas"),
    ]
    for capacity, keys, wrong in refusals:
        with pytest.raises(PlanError) as refused:
            settled(capacity, **keys)
        assert only(tuple(refused.value.mistakes)).wrong.startswith(wrong)
    with pytest.raises(PlanError, match="cannot serve 5 replicas"):
        settled(None, preset("l40s", price=9, capacity=1))


@pytest.mark.parametrize(
    ("pod", "own"),
    [
        ("vllm-7d9f8c6b54-x2x4z", True),
        ("vllm-84b6-x2x4z", True),
        ("vllm-big-7d9f8c6b54-x2x4z", False),
        ("vllm-0", False),
        ("vllm-group-0", False),
        ("vllm-download-x2x4z", False),
        ("my-vllm-7d9f8c6b54-x2x4z", False),
    ],
)
def test_the_queries_select_the_pods_of_this_deployment_and_no_others(pod: str, own: bool) -> None:
    namespace, matcher = pods(NAMES).split(",", 1)
    assert namespace == 'namespace="llm"'
    pattern = matcher.removeprefix('pod=~"').removesuffix('"')
    # Prometheus anchors a pattern at both ends.
    assert (re.fullmatch(pattern, pod) is not None) == own


def test_every_query_is_confined_to_those_pods() -> None:
    asked = Autoscaling.model_validate(
        {
            "requestsWaiting": 5,
            "concurrency": 30,
            "kvCacheUsage": 0.8,
            "timeToFirstTokenSeconds": 1.5,
            "prometheus": {"address": "http://prometheus:9090"},
        }
    )
    for trigger in plan_triggers(NAMES, asked):
        query = dict(trigger.metadata)["query"]
        assert query.count("vllm:") == query.count(pods(NAMES)) >= 1, trigger.name


def test_a_target_that_one_replica_cannot_reach_is_a_warning_with_the_estimate() -> None:
    (warning,) = [w for w in with_scaling().warnings if "requestsPerSecond" in w]
    assert "100 is above the 2.9 that one replica can serve at best (an estimate" in warning
    assert warning.endswith("or set autoscaling.requestsWaiting beside it")
    calm = with_scaling(requestsPerSecond=2).warnings
    assert not any("requestsPerSecond" in warning for warning in calm)


def test_a_span_of_time_follows_no_load_so_the_hint_to_a_signal_that_does_stays() -> None:
    def hinted(**keys: Any) -> bool:
        (warning,) = [w for w in with_scaling(**keys).warnings if "requestsPerSecond" in w]
        return "set autoscaling.requestsWaiting" in warning

    assert hinted(cron=[SPAN])
    assert not hinted(
        cron=[SPAN], concurrency=9, prometheus={"address": "http://prometheus.monitoring:9090"}
    )


def test_the_preview_tells_what_one_replica_serves_as_an_estimate() -> None:
    (line,) = [line for line in preview_lines(with_scaling()) if "autoscaling:" in line]
    assert line.endswith("100 requests/s each (estimated best 2.9)")


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0.0123, "0.012"), (2.94, "2.9"), (42.4, "42"), (99.6, "100"), (1234, "1234")],
)
def test_an_estimate_is_written_in_plain_digits(rate: float, text: str) -> None:
    assert written(rate) == text


def test_bounds_that_leave_nothing_to_scale_are_a_warning() -> None:
    (warning,) = [
        w for w in with_scaling([preset("l4", capacity=1)]).warnings if "minimum too" in w
    ]
    assert warning.startswith("autoscaling.maxReplicas: 1 is the minimum too")
    assert not any("minimum too" in warning for warning in with_scaling().warnings)


def test_a_pace_that_keeps_a_load_waiting_which_comes_back_is_a_warning() -> None:
    def warned(up: int, down: int) -> list[str]:
        paced = with_scaling(scaleUp={"periodSeconds": up}, scaleDown={"periodSeconds": down})
        return [w for w in paced.warnings if "scaleDown.periodSeconds" in w]

    (warning,) = warned(60, 15)
    assert warning.startswith("autoscaling.scaleDown.periodSeconds: 15 is below")
    assert warned(60, 60) == warned(15, 60) == []


def test_keys_that_wait_for_a_forgotten_enabled_are_a_warning() -> None:
    warning, *_ = planned(L4, autoscaling={"maxReplicas": 3, "requestsPerSecond": 2}).warnings
    assert warning.startswith("autoscaling.enabled: is not set, so that maxReplicas,")
    for silent in ({}, {"enabled": False, "maxReplicas": 3}):
        assert not any("autoscaling.en" in w for w in planned(L4, autoscaling=silent).warnings)


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        (
            {"prometheus": {"address": "http://prometheus.monitoring:9090"}},
            "autoscaling.prometheus",
        ),
        ({"cron": [SPAN], "minReplicas": 2}, "autoscaling.cron[0].replicas"),
    ],
)
def test_keys_that_change_nothing_are_a_warning(asked: dict[str, Any], key: str) -> None:
    assert [w for w in with_scaling(**asked).warnings if w.startswith(f"{key}: ")]
    everyday: dict[str, Any] = {"cron": [SPAN]}
    idle: dict[str, Any] = {**everyday, "minReplicas": 2, "idleReplicas": 0}
    for used in (everyday, idle):
        assert not any("changes nothing" in w for w in with_scaling(**used).warnings)


def test_a_token_that_goes_to_prometheus_in_clear_is_a_warning() -> None:
    def warned(scheme: str) -> list[str]:
        prometheus = {
            "address": f"{scheme}://prometheus.monitoring:9090",
            "tokenSecret": {"name": "prometheus"},
        }
        found = with_scaling(requestsWaiting=5, prometheus=prometheus).warnings
        return [w for w in found if w.startswith("autoscaling.prometheus.tokenSecret: ")]

    (warning,) = warned("http")
    assert "in clear to http://prometheus.monitoring:9090" in warning
    assert warned("https") == []


def test_replicas_beside_an_autoscaler_are_a_warning() -> None:
    shared = {"accessMode": "ReadWriteMany"}
    both = planned(L4, autoscaling={"enabled": True}, replicas=3, cache=shared)
    assert any(w.startswith("replicas: 3 does nothing") for w in both.warnings)
    alone = planned(L4, autoscaling={"enabled": False}, replicas=3, cache=shared)
    assert not any("does nothing" in w for w in alone.warnings)


def test_a_replica_that_may_go_with_a_lull_is_a_warning() -> None:
    (warning,) = [w for w in with_scaling(scaleDownSeconds=0).warnings if "scaleDown" in w]
    assert warning.startswith("autoscaling.scaleDownSeconds: 0 is below windowSeconds (60)")


def test_the_preview_names_bounds_kind_and_signals() -> None:
    plan = with_scaling(
        kind="interceptorRoute", requestsWaiting=5, prometheus={"address": "http://prometheus:9090"}
    )
    (line,) = [line for line in preview_lines(plan) if "autoscaling:" in line]
    assert "1 to 5 replicas by InterceptorRoute (asked), 100 requests/s each" in line
    assert "requests-waiting" in "".join(preview_lines(plan))
