"""Replicas by load, through KEDA and its HTTP add-on."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource

from manifests.scaling import (
    ScalingResource,
    http_scaled_object,
    interceptor_route,
    scaled_object,
    scaling_metadata,
    trigger_authentication,
)
from planning.plan import Plan
from planning.scaling import Scaling


@dataclass(frozen=True, slots=True, kw_only=True)
class RpsAutoscalerArgs:
    """The plan, its scaling, what must exist before, and the workload that is scaled."""

    plan: Plan
    scaling: Scaling
    workload: pulumi.Resource
    after: tuple[pulumi.Resource, ...] = ()


class RpsAutoscaler(pulumi.ComponentResource):
    """An InterceptorRoute, or the HTTPScaledObject of older add-ons, with its ScaledObject.

    A TriggerAuthentication stands beside them where Prometheus asks for a token.
    """

    route: CustomResource
    """What the interceptor forwards by: without it, it answers 404."""

    def __init__(
        self, name: str, args: RpsAutoscalerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        plan, scaling = args.plan, args.scaling
        shown = {
            "replicas": f"{scaling.min_replicas}..{scaling.max_replicas}",
            "requestsPerSecond": scaling.requests_per_second,
        }
        super().__init__("llm:index:RpsAutoscaler", name, shown, opts)
        counted = http_scaled_object if scaling.kind == "httpScaledObject" else interceptor_route
        self.route = self._declare(f"{name}-route", plan, counted(plan, scaling), args.after)
        # After a change of kind it asks for what exists by then.
        after = (*args.after, args.workload, self.route)
        if scaling.prometheus_token is not None:
            shows = trigger_authentication(scaling.prometheus_token)
            after = (*after, self._declare(f"{name}-prometheus", plan, shows, args.after))
        self._declare(f"{name}-scaler", plan, scaled_object(plan, scaling), after)
        self.register_outputs(shown)

    def _declare(
        self, name: str, plan: Plan, resource: ScalingResource, after: tuple[pulumi.Resource, ...]
    ) -> CustomResource:
        return CustomResource(
            name,
            api_version=resource.api_version,
            kind=resource.kind,
            metadata=scaling_metadata(plan, resource),
            spec=resource.spec,
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(after)),
        )
