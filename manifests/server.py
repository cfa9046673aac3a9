"""The server's Deployment and the Service in front of it."""

from __future__ import annotations

from pulumi_kubernetes.apps.v1 import (
    DeploymentInitArgs,
    DeploymentSpecArgs,
    DeploymentStrategyArgs,
    RollingUpdateDeploymentArgs,
)
from pulumi_kubernetes.core.v1 import (
    PodTemplateSpecArgs,
    ServiceInitArgs,
    ServicePortArgs,
    ServiceSpecArgs,
)
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs

from manifests.metadata import server_labels, server_metadata
from manifests.pod import Token, pod_spec
from planning.names import PORT, selector
from planning.plan import Plan


def service_args(plan: Plan) -> ServiceInitArgs:
    """Build the Service in front of the server's pods."""
    return ServiceInitArgs(
        # The provider waits ten seconds after every change of endpoints (await/service.go); the
        # Deployment is awaited anyway, and a test compares the selector with the pods' labels.
        metadata=server_metadata(plan, plan.names.server, {"pulumi.com/skipAwait": "true"}),
        spec=ServiceSpecArgs(
            selector=selector(plan.names, "server"),
            ports=[ServicePortArgs(name="http", port=PORT, target_port="http")],
        ),
    )


def deployment_args(plan: Plan, *, token: Token | None) -> DeploymentInitArgs:
    """Build the Deployment.

    Args:
        plan: the plan.
        token: name and key of the Secret that holds the Hugging Face token, if there is one.
    """
    rolling = plan.server.strategy == "RollingUpdate"
    return DeploymentInitArgs(
        metadata=server_metadata(plan, plan.names.server),
        spec=DeploymentSpecArgs(
            replicas=plan.server.replicas,
            selector=LabelSelectorArgs(match_labels=selector(plan.names, "server")),
            strategy=DeploymentStrategyArgs(
                type=plan.server.strategy,
                # A surge would wait forever for a GPU that only the old pod could free.
                rolling_update=RollingUpdateDeploymentArgs(max_surge=0, max_unavailable=1)
                if rolling
                else None,
            ),
            progress_deadline_seconds=plan.start.seconds,
            template=PodTemplateSpecArgs(
                metadata=ObjectMetaArgs(labels=server_labels(plan)), spec=pod_spec(plan, token)
            ),
        ),
    )
