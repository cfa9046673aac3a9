"""The Service that stands for the HTTP add-on's interceptor in the app's own namespace."""

from __future__ import annotations

from pulumi_kubernetes.core.v1 import ServiceInitArgs, ServicePortArgs, ServiceSpecArgs
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from manifests.metadata import object_labels
from planning.plan import Plan
from planning.scaling import Scaling


def interceptor_service_args(plan: Plan, scaling: Scaling) -> ServiceInitArgs:
    """Build the way by which an Ingress and clients in the cluster have their requests counted."""
    return ServiceInitArgs(
        metadata=ObjectMetaArgs(
            name=plan.names.interceptor,
            namespace=plan.names.namespace,
            labels=object_labels(plan, "autoscaler"),
        ),
        spec=ServiceSpecArgs(
            type="ExternalName",
            external_name=scaling.interceptor_host,
            ports=[ServicePortArgs(name="http", port=scaling.interceptor.port)],
        ),
    )
