"""A model over several nodes: tensor parallel inside each, one pipeline stage on each.

vLLM's processes find each other by `--nnodes`, `--node-rank` and `--master-addr`, without Ray
(vllm/v1/executor/multiproc_executor.py); the pods are a group of a LeaderWorkerSet.
"""

from __future__ import annotations

from collections.abc import Iterator

from settings.mistakes import Mistake
from settings.models import StackSettings

NEEDED_FLAGS = ("--headless", "--master-addr", "--nnodes", "--node-rank")
"""Flags without which a version of vLLM cannot run over several nodes."""

# LeaderWorkerSet sets both in every container of a group (pkg/utils/pod/pod_utils.go, v0.7.0).
_LEADER_ADDRESS = "$(LWS_LEADER_ADDRESS)"
_WORKER_INDEX = "$(LWS_WORKER_INDEX)"
_NODE_RANK = "--node-rank"


def leader_flags(nodes: int) -> dict[str, str | None]:
    """Give the flags of the leader, which serves HTTP; none for a single node."""
    if nodes == 1:
        return {}
    return {
        "--pipeline-parallel-size": str(nodes),
        "--distributed-executor-backend": "mp",
        "--nnodes": str(nodes),
        _NODE_RANK: "0",
        "--master-addr": _LEADER_ADDRESS,
    }


def worker_args(args: tuple[str, ...]) -> tuple[str, ...]:
    """Turn the leader's arguments into those of a worker: another rank, and no HTTP server."""
    rank = args.index(_NODE_RANK) + 1
    return (*args[:rank], _WORKER_INDEX, *args[rank + 1 :], "--headless")


def multi_node_mistakes(nodes: int, settings: StackSettings) -> Iterator[Mistake]:
    """Find settings that several nodes rule out; only the plan knows that there are several."""
    if nodes == 1:
        return
    if settings.autoscaling.enabled:
        yield Mistake(
            key="autoscaling.enabled",
            wrong=f"is true for a model over {nodes} nodes",
            rule="the autoscaler counts pods of a Deployment, not groups of nodes",
            remedy="disable autoscaling and set replicas, or choose a preset that holds the model",
        )
    cache = settings.cache
    if cache.kind == "pvc" and cache.access_mode == "ReadWriteOnce":
        yield Mistake(
            key="cache.accessMode",
            wrong=f"ReadWriteOnce cannot serve {nodes} nodes",
            rule="such a volume attaches to one node, and the next pod would wait forever",
            remedy="set cache.accessMode to ReadWriteMany (with a class that has it), "
            "or cache.enabled to false",
        )
