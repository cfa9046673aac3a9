"""Who may talk to the app's pods, and to whom they may talk."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.networking.v1 import NetworkPolicy

from manifests.network_policy import network_policy_args
from planning.network_rules import NetworkPlan
from planning.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class AppNetworkPolicyArgs:
    """The plan, its policies, which are enabled, and what must exist before them."""

    plan: Plan
    network: NetworkPlan
    after: tuple[pulumi.Resource, ...] = ()


class AppNetworkPolicy(pulumi.ComponentResource):
    """NetworkPolicies: one closes every pod of the app, the others open what each needs."""

    policies: list[NetworkPolicy]
    """The policies, which pods had better not start without."""

    def __init__(
        self, name: str, args: AppNetworkPolicyArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        shown = {"policies": [policy.role for policy in args.network.policies]}
        super().__init__("llm:index:AppNetworkPolicy", name, shown, opts)
        self.policies = [
            NetworkPolicy(
                f"{name}-{policy.role}",
                metadata=resource.metadata,
                spec=resource.spec,
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.after)),
            )
            for policy in args.network.policies
            for resource in [network_policy_args(args.plan, policy)]
        ]
        self.register_outputs(shown)
