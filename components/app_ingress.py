"""The way in from outside: an Ingress to the server, or to the interceptor that counts requests."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core.v1 import Service, ServicePortArgs, ServiceSpecArgs
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.networking.v1 import (
    HTTPIngressPathArgs,
    HTTPIngressRuleValueArgs,
    IngressBackendArgs,
    IngressInitArgs,
    IngressRuleArgs,
    IngressServiceBackendArgs,
    IngressSpecArgs,
    IngressTLSArgs,
    ServiceBackendPortArgs,
)
from pulumi_kubernetes.networking.v1 import Ingress as KubernetesIngress

from planning.exposure import Ingress, MiddlewareReference
from planning.names import PORT, image_version, labels
from planning.plan import Plan
from planning.scaling import Scaling


@dataclass(frozen=True, slots=True, kw_only=True)
class AppIngressArgs:
    """The plan, its ingress, which is enabled, and what must exist before it."""

    plan: Plan
    ingress: Ingress
    after: tuple[pulumi.Resource, ...] = ()


class AppIngress(pulumi.ComponentResource):
    """An Ingress; with autoscaling, through the interceptor, so that its requests are counted."""

    ingress: KubernetesIngress
    """The Ingress."""

    def __init__(
        self, name: str, args: AppIngressArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        plan = args.plan
        super().__init__("llm:index:AppIngress", name, {"host": args.ingress.host}, opts)
        child = pulumi.ResourceOptions(parent=self, depends_on=list(args.after))
        if plan.scaling is not None:
            Service(
                f"{name}-interceptor",
                metadata=_metadata(plan, plan.names.interceptor, {}),
                spec=interceptor_spec(plan.scaling),
                opts=child,
            )
        resource = ingress_args(plan, args.ingress)
        self.ingress = KubernetesIngress(
            f"{name}-ingress", metadata=resource.metadata, spec=resource.spec, opts=child
        )
        self.register_outputs({"host": args.ingress.host})


def _metadata(plan: Plan, name: str, annotations: dict[str, str]) -> ObjectMetaArgs:
    version = image_version(plan.server.image)
    return ObjectMetaArgs(
        name=name,
        namespace=plan.names.namespace,
        labels=labels(plan.names, "ingress", version=version, extra=plan.extra_labels),
        annotations=annotations or None,
    )


def interceptor_spec(scaling: Scaling) -> ServiceSpecArgs:
    """Build the Service that stands for the interceptor in the app's own namespace."""
    return ServiceSpecArgs(
        type="ExternalName",
        external_name=scaling.interceptor_host,
        ports=[ServicePortArgs(name="http", port=scaling.interceptor_port)],
    )


def ingress_args(plan: Plan, ingress: Ingress) -> IngressInitArgs:
    """Build the Ingress."""
    backend, port = (
        (plan.names.server, PORT)
        if plan.scaling is None
        else (plan.names.interceptor, plan.scaling.interceptor_port)
    )
    # Not every controller writes an address, and no output waits for one (pulumi-kubernetes#268).
    annotations = {
        **dict(ingress.annotations),
        **_middlewares(ingress.middlewares),
        "pulumi.com/skipAwait": "true",
    }
    return IngressInitArgs(
        metadata=_metadata(plan, plan.names.app, annotations),
        spec=IngressSpecArgs(
            ingress_class_name=ingress.class_name,
            rules=[IngressRuleArgs(host=ingress.host, http=_paths(backend, port))],
            tls=[IngressTLSArgs(hosts=[ingress.host], secret_name=ingress.tls_secret)]
            if ingress.tls_secret
            else None,
        ),
    )


def _middlewares(middlewares: tuple[MiddlewareReference, ...]) -> dict[str, str]:
    """Traefik's name for each, in the order in which a request passes them."""
    names = ",".join(f"{each.namespace}-{each.name}@kubernetescrd" for each in middlewares)
    return {"traefik.ingress.kubernetes.io/router.middlewares": names} if names else {}


def _paths(service: str, port: int) -> HTTPIngressRuleValueArgs:
    # Only the API: /health and /metrics are nobody's business outside.
    backend = IngressBackendArgs(
        service=IngressServiceBackendArgs(name=service, port=ServiceBackendPortArgs(number=port))
    )
    return HTTPIngressRuleValueArgs(
        paths=[HTTPIngressPathArgs(path="/v1", path_type="Prefix", backend=backend)]
    )
