"""The autoscaler's custom resources of KEDA and its HTTP add-on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from manifests.metadata import object_labels
from planning.exposure import API_PATH
from planning.names import PORT
from planning.plan import Plan
from planning.scaling import Scaling, Steps, go_duration
from planning.triggers import PrometheusToken, Trigger

_ANY_IN_FLIGHT = 1_000_000
"""A target that no load reaches, of a metric that tells whether a request is being answered."""

_NO_SCALED_OBJECT = "httpscaledobject.keda.sh/skip-scaledobject-creation"
"""Else the add-on's operator makes a ScaledObject that lowers the count as it goes.

It sets restoreToOriginalReplicaCount. With the annotation it removes a ScaledObject of the same
name only if that is its own (http-add-on 0.15, pkg/k8s/scaledobject.go and
operator/controllers/http/app.go).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingResource:
    """A custom resource of KEDA or its HTTP add-on."""

    api_version: str
    kind: str
    spec: dict[str, Any]
    annotations: dict[str, str] = field(default_factory=dict[str, str])


def scaling_metadata(plan: Plan, resource: ScalingResource) -> ObjectMetaArgs:
    """Build the metadata of one of them; all have the app's name."""
    return ObjectMetaArgs(
        name=plan.names.app,
        namespace=plan.names.namespace,
        labels=object_labels(plan, "autoscaler"),
        annotations=resource.annotations or None,
    )


def interceptor_route(plan: Plan, scaling: Scaling) -> ScalingResource:
    """Build what the interceptor counts and forwards, and how long it waits."""
    metric = _rate(scaling)
    if scaling.goes_to_zero:
        # A rate forgets a request once it came in; one that waits or is being answered must count
        # on, or its replica goes.
        metric["concurrency"] = {"targetValue": _ANY_IN_FLIGHT}
    return ScalingResource(
        api_version="http.keda.sh/v1beta1",
        kind="InterceptorRoute",
        spec={
            "rules": [{"hosts": list(scaling.hosts), "paths": [{"value": API_PATH}]}],
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
        "triggers": [_requests(plan, scaling), *(_trigger(plan, t) for t in scaling.triggers)],
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
    # The keys of the external scaler are spelled as the kinds of the stack config.
    return {
        "type": "external-push",
        # KEDA's own default, which its webhook does not know of beside a fallback (keda#6696).
        "metricType": "AverageValue",
        "metadata": {"scalerAddress": scaling.scaler_address, scaling.kind: plan.names.app},
    }


def _trigger(plan: Plan, trigger: Trigger) -> dict[str, Any]:
    return {
        "type": trigger.type,
        "name": trigger.name,
        "metricType": trigger.metric_type,
        "metadata": dict(trigger.metadata),
        **({"authenticationRef": {"name": plan.names.app}} if trigger.token else {}),
    }


def trigger_authentication(token: PrometheusToken) -> ScalingResource:
    """Build what makes KEDA show Prometheus a bearer token, and trust its certificate."""
    entries = {"bearerToken": token.entry, "ca": token.ca_entry}
    references = [
        {"parameter": parameter, "name": token.secret_name, "key": entry}
        for parameter, entry in entries.items()
        if entry is not None
    ]
    return ScalingResource(
        api_version="keda.sh/v1alpha1",
        kind="TriggerAuthentication",
        spec={"secretTargetRef": references},
    )


def http_scaled_object(plan: Plan, scaling: Scaling) -> ScalingResource:
    """Build what older add-ons have for an InterceptorRoute, without its ScaledObject."""
    wait = scaling.cold_start.wait_seconds
    spec: dict[str, Any] = {
        "hosts": list(scaling.hosts),
        "pathPrefixes": [API_PATH],
        "scaleTargetRef": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": plan.names.server,
            "service": plan.names.server,
            "port": PORT,
        },
        "scalingMetric": _rate(scaling),
        # Its own are 20 s, in which no model loads, and 300 s, which an answer may exceed.
        "timeouts": {
            "conditionWait": go_duration(wait),
            "responseHeader": go_duration(scaling.request_seconds),
        },
    }
    if scaling.cold_start.fallback is not None:
        service, port = scaling.cold_start.fallback
        failover = {"service": service, "port": port, "timeoutSeconds": wait}
        spec["coldStartTimeoutFailoverRef"] = failover
    return ScalingResource(
        api_version="http.keda.sh/v1alpha1",
        kind="HTTPScaledObject",
        spec=spec,
        annotations={_NO_SCALED_OBJECT: "true"},
    )
