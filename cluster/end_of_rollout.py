"""`pulumi up` lasts as long as the rollout of the server."""

from __future__ import annotations

import asyncio

import pulumi

from cluster.rollout import unfinished_rollout
from planning.plan import Plan


def wait_for_rollout(workload: pulumi.Resource, plan: Plan) -> None:
    """Keep the program until the new pods have taken the place of the old ones.

    `pulumi up` then fails with the reason where they have not, within the time of an update.

    Args:
        workload: what makes the pods; the wait begins once Pulumi is done with it.
        plan: the plan.
    """

    async def wait(_: str) -> None:
        if pulumi.runtime.is_dry_run():
            return
        reasons = await asyncio.to_thread(unfinished_rollout, plan)
        if reasons:
            raise pulumi.RunError("\n".join(reasons))

    workload.urn.apply(wait)
