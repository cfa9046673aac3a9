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
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs
from pulumi_kubernetes.policy.v1 import PodDisruptionBudgetInitArgs, PodDisruptionBudgetSpecArgs

from manifests.api_keys import ApiKeys
from manifests.metadata import pod_metadata, server_metadata
from manifests.pod import Token, pod_spec
from planning.names import PORT, STACK, selector
from planning.plan import Plan


def service_args(plan: Plan) -> ServiceInitArgs:
    """Build the Service in front of the server's pods."""
    return ServiceInitArgs(
        # The provider waits ten seconds after every change of endpoints (await/service.go); the
        # Deployment is awaited anyway, and a test compares the selector with the pods' labels.
        metadata=server_metadata(plan, plan.names.server, service_annotations(plan)),
        spec=ServiceSpecArgs(
            selector=selector(plan.names, "server"),
            ports=[ServicePortArgs(name="http", port=PORT, target_port="http")],
        ),
    )


def service_annotations(plan: Plan) -> dict[str, str]:
    """Annotations of the server's Service, which names the app's stack to other stacks."""
    return {"pulumi.com/skipAwait": "true", STACK: plan.names.stack}


def deployment_args(
    plan: Plan, *, token: Token | None, api_keys: ApiKeys | None = None
) -> DeploymentInitArgs:
    """Run the server on one node a replica, replaced as the rollout says.

    Args:
        plan: the plan.
        token: name and key of the Secret that holds the Hugging Face token, if there is one.
        api_keys: where they are, if there are any.
    """
    rollout = plan.rollout
    return DeploymentInitArgs(
        metadata=server_metadata(plan, plan.names.server, _taken_over(plan)),
        spec=DeploymentSpecArgs(
            replicas=plan.server.replicas,
            selector=LabelSelectorArgs(match_labels=selector(plan.names, "server")),
            strategy=DeploymentStrategyArgs(
                type=rollout.strategy,
                rolling_update=RollingUpdateDeploymentArgs(
                    max_surge=rollout.max_surge, max_unavailable=rollout.max_unavailable
                )
                if rollout.strategy == "RollingUpdate"
                else None,
            ),
            progress_deadline_seconds=rollout.progress_seconds,
            template=PodTemplateSpecArgs(
                metadata=pod_metadata(plan), spec=pod_spec(plan, token, api_keys=api_keys)
            ),
        ),
    )


def _taken_over(plan: Plan) -> dict[str, str] | None:
    """Whoever scaled before owns the count, and setting it would be a conflict."""
    return {"pulumi.com/patchForce": "true"} if plan.server.holds_replicas else None


def disruption_budget_args(plan: Plan) -> PodDisruptionBudgetInitArgs | None:
    """Build the limit of pods that a drain of nodes may take at once; none for a single pod.

    A budget for one pod either allows its eviction, as no budget does, or blocks every drain.
    """
    if plan.server.max_replicas <= 1:
        return None
    return PodDisruptionBudgetInitArgs(
        metadata=server_metadata(plan, plan.names.server),
        spec=PodDisruptionBudgetSpecArgs(
            max_unavailable=1,
            selector=LabelSelectorArgs(match_labels=selector(plan.names, "server")),
            # A pod that never became ready serves nobody, so it may not hold up a drain.
            unhealthy_pod_eviction_policy="AlwaysAllow",
        ),
    )
