"""What a cluster says about a server over several nodes."""

from __future__ import annotations

from collections.abc import Iterator

from planning.plan import Plan


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
