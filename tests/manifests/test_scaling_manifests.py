"""The autoscaler's objects as they go to the cluster."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.loader import find_model
from planning.rollout import start_budget
from tests.program.recording import Recording, run_stack_file

COUNTED = {"interceptorRoute": ":InterceptorRoute", "httpScaledObject": ":HTTPScaledObject"}
PROMETHEUS = {"address": "http://prometheus.monitoring:9090"}
EVERY_TARGET: dict[str, Any] = {
    "requestsWaiting": 5,
    "concurrency": 30,
    "kvCacheUsage": 0.8,
    "timeToFirstTokenSeconds": 1.5,
    "prometheus": PROMETHEUS,
    "cron": [
        {"start": "0 8 * * 1-5", "end": "0 18 * * 1-5", "timezone": "Europe/Berlin", "replicas": 2}
    ],
}


def scaled(*, keys: dict[str, object] | None = None, **autoscaling: object) -> Recording:
    """Run the dev stack with autoscaling."""
    return run_stack_file("dev", {"autoscaling": {"enabled": True, **autoscaling}, **(keys or {})})


def spec(recording: Recording, kind: str) -> dict[str, Any]:
    return recording.only(f":{kind}").inputs["spec"]


def triggers(**targets: object) -> dict[str, dict[str, Any]]:
    """The triggers beside the request rate, by name."""
    asked = {"enabled": True, **targets}
    first, *further = spec(run_stack_file("dev", {"autoscaling": asked}), "ScaledObject")[
        "triggers"
    ]
    assert first["type"] == "external-push"
    return {trigger["name"]: trigger for trigger in further}


@pytest.mark.parametrize("kind", COUNTED)
def test_requests_are_counted_under_the_hosts_of_the_ingress_and_of_the_cluster(kind: str) -> None:
    recording = scaled(kind=kind)
    (rule,) = recording.only(":Ingress").inputs["spec"]["rules"]
    (alias,) = [r for r in recording.of_type(":Service") if r.name.endswith("interceptor")]
    inside = f"{alias.inputs['metadata']['name']}.{alias.inputs['metadata']['namespace']}"
    hosts = [rule["host"], inside, f"{inside}.svc", f"{inside}.svc.cluster.local"]
    if kind == "httpScaledObject":
        scaled_object = spec(recording, "HTTPScaledObject")
        assert (scaled_object["hosts"], scaled_object["pathPrefixes"]) == (hosts, ["/v1"])
    else:
        expected = [{"hosts": hosts, "paths": [{"value": "/v1"}]}]
        assert spec(recording, "InterceptorRoute")["rules"] == expected


def test_without_an_ingress_requests_inside_the_cluster_are_counted() -> None:
    recording = scaled(keys={"ingress": {"enabled": False}})
    (rule,) = spec(recording, "InterceptorRoute")["rules"]
    assert rule["hosts"][0] == "vllm-interceptor.llm"
    assert recording.of_type(":Ingress") == []
    assert len(recording.of_type(":ScaledObject")) == 1


@pytest.mark.parametrize("kind", COUNTED)
def test_the_objects_scale_the_server_within_the_bounds(kind: str) -> None:
    recording = scaled(kind=kind)
    found = spec(recording, "ScaledObject")
    name = recording.only(":Deployment").inputs["metadata"]["name"]
    assert found["scaleTargetRef"]["name"] == name
    assert (found["minReplicaCount"], found["maxReplicaCount"]) == (1, 5)
    counted = recording.only(COUNTED[kind])
    (trigger,) = found["triggers"]
    assert trigger["metadata"] == {
        "scalerAddress": "keda-add-ons-http-external-scaler.keda:9090",
        # As http-add-on 0.15 spells them (pkg/k8s/scaledobject.go).
        kind: counted.inputs["metadata"]["name"],
    }


def test_both_kinds_have_the_same_scaled_object_but_for_what_counts() -> None:
    def without_counter(kind: str) -> dict[str, Any]:
        recording = scaled(kind=kind, **EVERY_TARGET, scaleDown={"pods": 2})
        inputs = recording.only(":ScaledObject").inputs
        del inputs["spec"]["triggers"][0]
        return inputs

    assert without_counter("httpScaledObject") == without_counter("interceptorRoute")


def test_the_operator_of_an_http_scaled_object_is_told_to_make_no_second_scaler() -> None:
    older = scaled(kind="httpScaledObject").only(":HTTPScaledObject")
    # As http-add-on 0.15 spells it (operator/controllers/http/app.go).
    skip = "httpscaledobject.keda.sh/skip-scaledobject-creation"
    assert older.inputs["metadata"]["annotations"] == {skip: "true"}


def test_neither_a_cold_start_nor_a_long_answer_is_cut() -> None:
    keys: dict[str, object] = {"rollout": {"startSeconds": 600}, "requestSeconds": 900}
    assert spec(scaled(keys=keys), "InterceptorRoute")["timeouts"] == {
        "readiness": "10m0s",
        "responseHeader": "15m0s",
        "request": "25m0s",
    }
    older = spec(scaled(keys=keys, kind="httpScaledObject"), "HTTPScaledObject")
    assert older["timeouts"] == {"conditionWait": "10m0s", "responseHeader": "15m0s"}


def test_a_request_is_held_for_as_long_as_a_new_node_and_a_start_take() -> None:
    keys: dict[str, object] = {"rollout": {"startSeconds": 600, "nodeSeconds": 300}}
    timeouts = spec(scaled(keys=keys), "InterceptorRoute")["timeouts"]
    assert timeouts["readiness"] == "15m0s"


def test_a_scale_up_is_quick_and_a_scale_down_slow() -> None:
    behavior = spec(scaled(), "ScaledObject")["advanced"]["horizontalPodAutoscalerConfig"]
    assert behavior["behavior"] == {
        # The preset declares its capacity, so all five may come at once.
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "policies": [{"type": "Pods", "value": 5, "periodSeconds": 60}],
        },
        "scaleDown": {
            "stabilizationWindowSeconds": 300,
            "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
        },
    }


def test_where_capacity_is_unknown_one_replica_is_added_at_a_time_unless_more_are_asked() -> None:
    preset = {
        "name": "some-l4",
        "vendor": "nvidia",
        "product": "l4",
        "gpus": 1,
        "cpu": "8",
        "memory": "64Gi",
    }
    keys: dict[str, object] = {"presets": [preset], "preset": "auto"}

    def step(**more: object) -> int:
        advanced = spec(scaled(keys=keys, **more), "ScaledObject")["advanced"]
        behavior = advanced["horizontalPodAutoscalerConfig"]["behavior"]
        (policy,) = behavior["scaleUp"]["policies"]
        return int(policy["value"])

    assert step() == 1
    assert step(scaleUp={"pods": 3}) == 3


def test_a_total_is_shared_out_over_replicas_and_a_gauge_is_not() -> None:
    found = triggers(**EVERY_TARGET)
    assert {name: trigger["metricType"] for name, trigger in found.items()} == {
        "requests-waiting": "AverageValue",
        "concurrency": "AverageValue",
        "kv-cache-usage": "Value",
        "time-to-first-token": "Value",
        "cron-0": "AverageValue",
    }
    thresholds = {
        name: trigger["metadata"]["threshold"]
        for name, trigger in found.items()
        if trigger["type"] == "prometheus"
    }
    assert thresholds == {
        "requests-waiting": "5",
        "concurrency": "30",
        "kv-cache-usage": "0.8",
        "time-to-first-token": "1.5",
    }
    assert found["cron-0"]["metadata"] == {
        "desiredReplicas": "2",
        "start": "0 8 * * 1-5",
        "end": "0 18 * * 1-5",
        "timezone": "Europe/Berlin",
    }


@pytest.mark.parametrize(
    "target", ["requestsWaiting", "concurrency", "kvCacheUsage", "timeToFirstTokenSeconds"]
)
def test_each_target_is_one_line_beside_the_address(target: str) -> None:
    asked = {target: EVERY_TARGET[target], "prometheus": PROMETHEUS}
    (trigger,) = triggers(**asked).values()
    assert trigger["metadata"]["serverAddress"] == PROMETHEUS["address"]
    assert 'namespace="llm"' in trigger["metadata"]["query"]


def test_every_trigger_has_a_metric_type_as_webhooks_ask_beside_a_fallback() -> None:
    # KEDA's webhook took no trigger without one beside a fallback (keda issues 6066 and 6696).
    asked = spec(scaled(**EVERY_TARGET), "ScaledObject")
    assert "fallback" in asked
    types = [trigger.get("metricType") for trigger in asked["triggers"]]
    assert types == ["AverageValue"] * 3 + ["Value"] * 2 + ["AverageValue"]


def test_a_token_is_shown_to_prometheus_and_to_nobody_else() -> None:
    asks: dict[str, object] = {**PROMETHEUS, "tokenSecret": {"name": "reader"}}
    recording = scaled(**{**EVERY_TARGET, "prometheus": asks})
    shows = recording.only(":TriggerAuthentication").inputs
    assert shows["spec"] == {
        "secretTargetRef": [{"parameter": "bearerToken", "name": "reader", "key": "token"}]
    }
    for trigger in spec(recording, "ScaledObject")["triggers"]:
        reads = trigger["type"] == "prometheus"
        assert trigger["metadata"].get("authModes") == ("bearer" if reads else None)
        reference = {"name": shows["metadata"]["name"]} if reads else None
        assert trigger.get("authenticationRef") == reference
    trusted: dict[str, object] = {
        "address": "https://p:9091",
        "tokenSecret": {"name": "reader", "caKey": "ca.crt"},
    }
    found = spec(scaled(requestsWaiting=5, prometheus=trusted), "TriggerAuthentication")
    _, ca = found["secretTargetRef"]
    assert ca == {"parameter": "ca", "name": "reader", "key": "ca.crt"}


@pytest.mark.parametrize("keys", [{"requestsWaiting": 5}, {"cron": EVERY_TARGET["cron"]}])
def test_without_a_token_to_show_there_is_no_authentication(keys: dict[str, Any]) -> None:
    unread = {"tokenSecret": {"name": "reader"}} if "cron" in keys else {}
    recording = scaled(**keys, prometheus=PROMETHEUS | unread)
    assert recording.of_type(":TriggerAuthentication") == []


def test_a_metric_that_dies_holds_the_count_or_raises_it_to_the_fallback() -> None:
    dead = spec(scaled(requestsWaiting=5, prometheus=PROMETHEUS), "ScaledObject")
    expected = {"failureThreshold": 3, "replicas": 1, "behavior": "currentReplicasIfHigher"}
    assert dead["fallback"] == expected
    # A scrape that has lost the pods is a failure, not a calm.
    assert dead["triggers"][1]["metadata"]["ignoreNullValues"] == "false"
    more = scaled(requestsWaiting=5, prometheus=PROMETHEUS, fallback={"replicas": 3})
    assert spec(more, "ScaledObject")["fallback"] == expected | {"replicas": 3}
    assert "fallback" not in spec(scaled(), "ScaledObject")


@pytest.mark.parametrize("zero", [{"minReplicas": 0}, {"minReplicas": 2, "idleReplicas": 0}])
def test_a_step_to_zero_outlasts_a_start_and_waits_for_every_answer(zero: dict[str, int]) -> None:
    recording = scaled(
        keys={"rollout": {"startSeconds": 700}}, **zero, requestsWaiting=5, prometheus=PROMETHEUS
    )
    scaled_object = spec(recording, "ScaledObject")
    assert scaled_object["cooldownPeriod"] == 700
    # Else KEDA, which has seen no load yet, takes away what runs when it comes.
    assert scaled_object["initialCooldownPeriod"] == 700
    assert scaled_object.get("idleReplicaCount") == zero.get("idleReplicas")
    # A rate forgets a request that is still being answered.
    assert "concurrency" in spec(recording, "InterceptorRoute")["scalingMetric"]
    # Without pods there is nothing to scrape, which is no failure then.
    assert scaled_object["triggers"][1]["metadata"]["ignoreNullValues"] == "true"


def test_an_older_add_on_counts_only_the_rate_so_its_cooldown_spans_the_longest_request() -> None:
    keys: dict[str, object] = {"requestSeconds": 1200, "rollout": {"startSeconds": 700}}
    recording = scaled(minReplicas=0, kind="httpScaledObject", keys=keys)
    scaled_object = spec(recording, "ScaledObject")
    # Held until a pod is there, and then answered.
    assert scaled_object["cooldownPeriod"] == scaled_object["initialCooldownPeriod"] == 1900
    assert "concurrency" not in spec(recording, "HTTPScaledObject")["scalingMetric"]


def test_with_a_replica_at_all_times_no_period_of_a_step_to_zero_is_set() -> None:
    assert not {"cooldownPeriod", "initialCooldownPeriod"} & set(spec(scaled(), "ScaledObject"))
    assert "concurrency" not in spec(scaled(), "InterceptorRoute")["scalingMetric"]


def test_a_cold_start_can_end_in_another_service_or_in_an_answer_at_once() -> None:
    fallback = {"fallback": {"service": "small-model", "port": 8000}, "waitSeconds": 20}
    route = spec(scaled(coldStart=fallback), "InterceptorRoute")
    service = {"name": "small-model", "port": 8000}
    assert route["coldStart"] == {"fallback": {"service": service}}
    assert route["timeouts"]["readiness"] == "20s"
    older = spec(scaled(coldStart=fallback, kind="httpScaledObject"), "HTTPScaledObject")
    assert older["coldStartTimeoutFailoverRef"] == {
        "service": "small-model",
        "port": 8000,
        "timeoutSeconds": 20,
    }
    answer = scaled(coldStart={"placeholder": {"statusCode": 503, "body": "warming up"}})
    assert spec(answer, "InterceptorRoute")["coldStart"] == {
        "placeholder": {"response": {"statusCode": 503, "body": "warming up"}}
    }


def test_the_start_budget_is_how_long_a_request_is_held() -> None:
    recording = scaled(minReplicas=0)
    weights = find_model("mistral-7b-instruct").weights_bytes
    seconds = start_budget(weights, override=None, downloads=False).seconds
    said = [text for text in recording.warnings() if "first request waits" in text]
    assert f"up to {seconds} s" in said[0]
