"""What a cluster needs for a model over several nodes."""

from __future__ import annotations

from collections.abc import Iterator

from planning.plan import Plan
from settings.mistakes import Mistake

LEADER_WORKER_SETS = "leaderworkersets.leaderworkerset.x-k8s.io"


def missing_operator(nodes: int) -> Mistake:
    """Refuse a plan over several nodes on a cluster without the operator of their pods."""
    return Mistake(
        key="multiNode.maxNodes",
        wrong=f"the model needs {nodes} nodes, and the cluster does not serve {LEADER_WORKER_SETS}",
        rule="the pods of several nodes are a LeaderWorkerSet",
        remedy="install LeaderWorkerSet (its release holds manifests.yaml), or choose a preset "
        "or a quantised model that fits one node",
    )


def switch_warnings(plan: Plan, running: int | None) -> Iterator[str]:
    """Warn where single pods keep the GPUs that groups of pods wait for: those go after these come.

    Args:
        plan: the plan.
        running: replicas of the app's Deployment, None where there is none.
    """
    if plan.placement.nodes > 1 and running:
        yield (
            f"multiNode.maxNodes: the Deployment '{plan.names.server}' keeps its GPUs until "
            f"{plan.placement.nodes} other nodes serve; on a full pool, set replicas to 0 and run "
            "'pulumi up' before this change"
        )
