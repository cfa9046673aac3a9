"""The Service that stands for the HTTP add-on's interceptor in the app's own namespace."""

from __future__ import annotations

from pulumi_kubernetes.core.v1 import ServiceInitArgs, ServicePortArgs, ServiceSpecArgs
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from planning.names import image_version, labels
from planning.plan import Plan
from planning.scaling import Scaling


def interceptor_service_args(plan: Plan, scaling: Scaling) -> ServiceInitArgs:
    """Build the way by which an Ingress and clients in the cluster have their requests counted."""
    version = image_version(plan.server.image)
    return ServiceInitArgs(
        metadata=ObjectMetaArgs(
            name=plan.names.interceptor,
            namespace=plan.names.namespace,
            labels=labels(plan.names, "autoscaler", version=version, extra=plan.extra_labels),
        ),
        spec=ServiceSpecArgs(
            type="ExternalName",
            external_name=scaling.interceptor_host,
            ports=[ServicePortArgs(name="http", port=scaling.interceptor_port)],
        ),
    )
