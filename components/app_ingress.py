"""The way in from outside: an Ingress, or an HTTPRoute of a Gateway."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.networking.v1 import Ingress

from manifests.gateway import gateway_resources
from manifests.ingress import ingress_args
from planning.exposure import Exposure, GatewayExposure, IngressExposure
from planning.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class AppIngressArgs:
    """The plan, its way in, and what must exist before it."""

    plan: Plan
    exposure: Exposure
    after: tuple[pulumi.Resource, ...] = ()


class AppIngress(pulumi.ComponentResource):
    """The objects that make the API reachable from outside."""

    objects: list[pulumi.Resource]
    """An Ingress, or an HTTPRoute and what belongs to it."""

    def __init__(
        self, name: str, args: AppIngressArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        shown = {"host": args.exposure.host}
        super().__init__("llm:index:AppIngress", name, shown, opts)
        child = pulumi.ResourceOptions(parent=self, depends_on=list(args.after))
        match args.exposure:
            case IngressExposure():
                ingress = ingress_args(args.plan, args.exposure)
                metadata, spec = ingress.metadata, ingress.spec
                self.objects = [
                    Ingress(f"{name}-ingress", metadata=metadata, spec=spec, opts=child)
                ]
            case GatewayExposure():
                self.objects = [
                    CustomResource(
                        f"{name}-{resource.role}",
                        api_version=resource.api_version,
                        kind=resource.kind,
                        metadata=resource.metadata,
                        spec=resource.spec,
                        opts=child,
                    )
                    for resource in gateway_resources(args.plan, args.exposure)
                ]
        self.register_outputs(shown)
