"""What a cluster needs for a model over several nodes."""

from __future__ import annotations

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
