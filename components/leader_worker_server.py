"""The server's pods over several nodes, as groups that the LeaderWorkerSet operator keeps whole."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource

from manifests.api_keys import ApiKeys
from manifests.leader_worker_set import (
    API_VERSION,
    KIND,
    leader_worker_set_metadata,
    leader_worker_set_spec,
)
from manifests.pod import Token
from planning.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderWorkerServerArgs:
    """A plan over several nodes, what its pods read of Secrets, and what must exist before."""

    plan: Plan
    token: Token | None
    api_keys: ApiKeys | None
    after: tuple[pulumi.Resource, ...] = ()


class LeaderWorkerServer(pulumi.ComponentResource):
    """A LeaderWorkerSet: every replica is a pod on each of its nodes, and the first serves."""

    groups: CustomResource
    """The set itself."""

    def __init__(
        self, name: str, args: LeaderWorkerServerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        plan = args.plan
        shown = {"replicas": plan.server.replicas, "nodes": plan.placement.nodes}
        super().__init__("llm:index:LeaderWorkerServer", name, shown, opts)
        self.groups = CustomResource(
            f"{name}-set",
            api_version=API_VERSION,
            kind=KIND,
            metadata=leader_worker_set_metadata(plan),
            spec=leader_worker_set_spec(plan, token=args.token, api_keys=args.api_keys),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=list(args.after),
                custom_timeouts=pulumi.CustomTimeouts(
                    create=f"{plan.start.seconds}s", update=f"{plan.rollout.update_seconds}s"
                ),
            ),
        )
        self.register_outputs(shown)
