"""Which nodes a pod may go to, where labels alone do not say it."""

from __future__ import annotations

from collections.abc import Sequence

from pulumi_kubernetes.core.v1 import (
    AffinityArgs,
    NodeAffinityArgs,
    NodeSelectorArgs,
    NodeSelectorRequirementArgs,
    NodeSelectorTermArgs,
    PodAffinityArgs,
    PodAffinityTermArgs,
)

from planning.names import Pairs


def affinity_args(
    pools: Sequence[Pairs], beside: PodAffinityTermArgs | None = None
) -> AffinityArgs | None:
    """Build the affinity; None where it asks for nothing.

    Args:
        pools: labels of the nodes of each pool, any of which will do; none asks for nothing.
        beside: pods on whose node it has to be.
    """
    if not pools and beside is None:
        return None
    return AffinityArgs(
        node_affinity=_node_affinity(pools) if pools else None,
        pod_affinity=PodAffinityArgs(required_during_scheduling_ignored_during_execution=[beside])
        if beside
        else None,
    )


def _node_affinity(pools: Sequence[Pairs]) -> NodeAffinityArgs:
    # A node has to match one of the terms, and of that term every expression.
    terms = [
        NodeSelectorTermArgs(
            match_expressions=[
                NodeSelectorRequirementArgs(key=key, operator="In", values=[value])
                for key, value in pool
            ]
        )
        for pool in pools
    ]
    return NodeAffinityArgs(
        required_during_scheduling_ignored_during_execution=NodeSelectorArgs(
            node_selector_terms=terms
        )
    )
