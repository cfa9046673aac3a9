"""The autoscaler's custom resources of KEDA and its HTTP add-on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from manifests.metadata import object_labels
from planning.names import PORT
from planning.plan import Plan
from planning.scaling import Scaling, Steps, go_duration
from planning.triggers import Trigger

_PATHS = "/v1"
"""What the ingress routes too: /health and /metrics are nobody's business outside."""

_ANY_IN_FLIGHT = 1_000_000
"""A target that no load reaches, of a metric that tells whether a request is being answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingResource:
    """A custom resource of KEDA or its HTTP add-on."""

    api_version: str
    kind: str
    spec: dict[str, Any]


def scaling_metadata(plan: Plan) -> ObjectMetaArgs:
    """Build the metadata of each of them."""
    return ObjectMetaArgs(
        name=plan.names.app,
        namespace=plan.names.namespace,
        labels=object_labels(plan, "autoscaler"),
    )


def interceptor_route(plan: Plan, scaling: Scaling) -> ScalingResource:
    """Build what the interceptor counts and forwards, and how long it waits."""
    metric = _rate(scaling)
    if scaling.cooldown_seconds is not None:
        # A rate forgets a request once it came in; one that waits or is being answered must count
        # on, or its replica goes.
        metric["concurrency"] = {"targetValue": _ANY_IN_FLIGHT}
    return ScalingResource(
        api_version="http.keda.sh/v1beta1",
        kind="InterceptorRoute",
        spec={
            "rules": [{"hosts": list(scaling.hosts), "paths": [{"value": _PATHS}]}],
            "target": {"service": plan.names.server, "port": PORT},
            "scalingMetric": metric,
            "timeouts": _timeouts(scaling),
            **_cold_start(scaling),
        },
    )


def _rate(scaling: Scaling) -> dict[str, Any]:
    # The add-on's operator rewrites durations into Go's canonical text, and another spelling would
    # be a conflict at the next `pulumi up`.
    return {
        "requestRate": {
            "targetValue": scaling.requests_per_second,
            "window": go_duration(scaling.window_seconds),
            "granularity": go_duration(scaling.granularity_seconds),
        }
    }


def _timeouts(scaling: Scaling) -> dict[str, str]:
    """The add-on's own would cut an answer without streaming at 300 s.

    `readiness` is the wait for a pod, `responseHeader` begins after it, and `request` spans both
    and the answer.
    """
    wait = scaling.cold_start.wait_seconds
    return {
        "readiness": go_duration(wait),
        "responseHeader": go_duration(scaling.request_seconds),
        "request": go_duration(wait + scaling.request_seconds),
    }


def _cold_start(scaling: Scaling) -> dict[str, Any]:
    fallback, placeholder = scaling.cold_start.fallback, scaling.cold_start.placeholder
    if fallback is not None:
        service, port = fallback
        return {"coldStart": {"fallback": {"service": {"name": service, "port": port}}}}
    if placeholder is not None:
        status, body = placeholder
        response: dict[str, Any] = {"statusCode": status}
        if body:
            response["body"] = body
        return {"coldStart": {"placeholder": {"response": response}}}
    return {}


def scaled_object(plan: Plan, scaling: Scaling) -> ScalingResource:
    """Build what makes KEDA scale the Deployment by every signal, the largest count winning."""
    spec: dict[str, Any] = {
        "scaleTargetRef": {"name": plan.names.server},
        "minReplicaCount": scaling.min_replicas,
        "maxReplicaCount": scaling.max_replicas,
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": _behavior(scaling)}},
        "triggers": [_requests(plan, scaling), *map(_trigger, scaling.triggers)],
    }
    if scaling.idle_replicas is not None:
        spec["idleReplicaCount"] = scaling.idle_replicas
    if scaling.cooldown_seconds is not None:
        spec["cooldownPeriod"] = scaling.cooldown_seconds
        # KEDA has seen no load yet, and would take away at once what runs under it.
        spec["initialCooldownPeriod"] = scaling.cooldown_seconds
    if scaling.fallback is not None:
        spec["fallback"] = {
            "failureThreshold": scaling.fallback.failures,
            "replicas": scaling.fallback.replicas,
            "behavior": "currentReplicasIfHigher",
        }
    return ScalingResource(api_version="keda.sh/v1alpha1", kind="ScaledObject", spec=spec)


def _behavior(scaling: Scaling) -> dict[str, Any]:
    return {
        "scaleUp": {"stabilizationWindowSeconds": 0, "policies": [_policy(scaling.scale_up)]},
        "scaleDown": {
            "stabilizationWindowSeconds": scaling.scale_down_seconds,
            "policies": [_policy(scaling.scale_down)],
        },
    }


def _policy(steps: Steps) -> dict[str, Any]:
    return {"type": "Pods", "value": steps.pods, "periodSeconds": steps.period_seconds}


def _requests(plan: Plan, scaling: Scaling) -> dict[str, Any]:
    return {
        "type": "external-push",
        "metadata": {
            "scalerAddress": scaling.scaler_address,
            "interceptorRoute": plan.names.app,
        },
    }


def _trigger(trigger: Trigger) -> dict[str, Any]:
    return {
        "type": trigger.type,
        "name": trigger.name,
        "metricType": trigger.metric_type,
        "metadata": dict(trigger.metadata),
    }


def http_scaled_object(plan: Plan, scaling: Scaling) -> ScalingResource:
    """Build what older add-ons have for both; its operator makes the ScaledObject."""
    wait = scaling.cold_start.wait_seconds
    spec: dict[str, Any] = {
        "hosts": list(scaling.hosts),
        "pathPrefixes": [_PATHS],
        "scaleTargetRef": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": plan.names.server,
            "service": plan.names.server,
            "port": PORT,
        },
        "replicas": {"min": scaling.min_replicas, "max": scaling.max_replicas},
        "scaledownPeriod": _scaledown_period(scaling),
        "scalingMetric": _rate(scaling),
        # Its own are 20 s, in which no model loads, and 300 s, which an answer may exceed.
        "timeouts": {
            "conditionWait": go_duration(wait),
            "responseHeader": go_duration(scaling.request_seconds),
        },
    }
    if scaling.cooldown_seconds is not None:
        spec["initialCooldownPeriod"] = spec["scaledownPeriod"]
    if scaling.cold_start.fallback is not None:
        service, port = scaling.cold_start.fallback
        failover = {"service": service, "port": port, "timeoutSeconds": wait}
        spec["coldStartTimeoutFailoverRef"] = failover
    return ScalingResource(api_version="http.keda.sh/v1alpha1", kind="HTTPScaledObject", spec=spec)


def _scaledown_period(scaling: Scaling) -> int:
    """It counts the rate alone, so that the longest answer must fit into the calm before zero."""
    if scaling.cooldown_seconds is None:
        return scaling.scale_down_seconds
    return max(scaling.cooldown_seconds, scaling.request_seconds)
