"""Who owns the number of replicas, and the plan for as many as run."""

from __future__ import annotations

from dataclasses import replace

from planning.plan import Plan, Rollout
from planning.rollout import plan_rollout


def with_running_replicas(plan: Plan, running: int | None) -> Plan:
    """Let a plan that leaves its replicas alone go on with as many as the cluster runs.

    Where the stack or the autoscaler owns the number, it is in the plan already.

    Args:
        plan: the plan.
        running: replicas of the Deployment that exists, None where there is none.
    """
    server = plan.server
    owned = server.holds_replicas or plan.scaling is not None or plan.placement.nodes > 1
    if owned or running is None or running <= server.max_replicas:
        return plan
    return replace(
        plan,
        server=replace(server, max_replicas=running),
        rollout=rollout_of(plan, running),
    )


def rollout_of(plan: Plan, pods: int) -> Rollout:
    """Plan the rollout of so many pods with everything else as in the plan."""
    return plan_rollout(
        pods,
        placement=plan.placement,
        shared_cache=plan.cache.is_shared,
        start=plan.start,
        drain=plan.drain,
    )
