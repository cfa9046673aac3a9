"""Replicas by request rate, through the KEDA HTTP add-on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from planning.names import PORT, image_version, labels
from planning.plan import Plan
from planning.scaling import Scaling, go_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class RpsAutoscalerArgs:
    """The plan, its scaling under the host that requests carry, and what must exist before."""

    plan: Plan
    scaling: Scaling
    host: str
    after: tuple[pulumi.Resource, ...] = ()


class RpsAutoscaler(pulumi.ComponentResource):
    """An InterceptorRoute with its ScaledObject, or the HTTPScaledObject of older add-ons."""

    def __init__(
        self, name: str, args: RpsAutoscalerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        scaling = args.scaling
        shown = {
            "replicas": f"{scaling.min_replicas}..{scaling.max_replicas}",
            "requestsPerSecond": scaling.requests_per_second,
        }
        super().__init__("llm:index:RpsAutoscaler", name, shown, opts)
        for resource in custom_resources(args):
            CustomResource(
                f"{name}-{resource.role}",
                api_version=resource.api_version,
                kind=resource.kind,
                metadata=_metadata(args.plan),
                spec=resource.spec,
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.after)),
            )
        self.register_outputs(shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingResource:
    """A custom resource of KEDA or its HTTP add-on."""

    role: str
    api_version: str
    kind: str
    spec: dict[str, Any]


def _metadata(plan: Plan) -> ObjectMetaArgs:
    version = image_version(plan.server.image)
    return ObjectMetaArgs(
        name=plan.names.app,
        namespace=plan.names.namespace,
        labels=labels(plan.names, "autoscaler", version=version, extra=plan.extra_labels),
    )


def custom_resources(args: RpsAutoscalerArgs) -> tuple[ScalingResource, ...]:
    """Build the custom resources of the planned kind."""
    if args.scaling.kind == "httpScaledObject":
        return (_http_scaled_object(args),)
    return _interceptor_route(args), _scaled_object(args)


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


def _interceptor_route(args: RpsAutoscalerArgs) -> ScalingResource:
    return ScalingResource(
        role="route",
        api_version="http.keda.sh/v1beta1",
        kind="InterceptorRoute",
        spec={
            "rules": [{"hosts": [args.host]}],
            "target": {"service": args.plan.names.server, "port": PORT},
            "scalingMetric": _rate(args.scaling),
            # A request that finds no pod waits as long as a pod may take to start.
            "timeouts": {"readiness": go_duration(args.plan.start.seconds)},
        },
    )


def _scaled_object(args: RpsAutoscalerArgs) -> ScalingResource:
    scaling = args.scaling
    scale_down = {"stabilizationWindowSeconds": scaling.scale_down_seconds}
    return ScalingResource(
        role="scaler",
        api_version="keda.sh/v1alpha1",
        kind="ScaledObject",
        spec={
            "scaleTargetRef": {"name": args.plan.names.server},
            "minReplicaCount": scaling.min_replicas,
            "maxReplicaCount": scaling.max_replicas,
            "cooldownPeriod": scaling.scale_down_seconds,
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": scale_down}}},
            "triggers": [
                {
                    "type": "external-push",
                    "metadata": {
                        "scalerAddress": scaling.scaler_address,
                        "interceptorRoute": args.plan.names.app,
                    },
                }
            ],
        },
    )


def _http_scaled_object(args: RpsAutoscalerArgs) -> ScalingResource:
    scaling = args.scaling
    return ScalingResource(
        role="scaler",
        api_version="http.keda.sh/v1alpha1",
        kind="HTTPScaledObject",
        spec={
            "hosts": [args.host],
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": args.plan.names.server,
                "service": args.plan.names.server,
                "port": PORT,
            },
            "replicas": {"min": scaling.min_replicas, "max": scaling.max_replicas},
            "scaledownPeriod": scaling.scale_down_seconds,
            "scalingMetric": _rate(scaling),
            # The add-on's own is 20 s, in which no model loads.
            "timeouts": {"conditionWait": go_duration(args.plan.start.seconds)},
        },
    )
