"""`pulumi up` lasts as long as the rollout of the server."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pulumi
from lightkube import Client

from cluster.client import UNREADABLE, connect, is_refused, reason
from cluster.diagnosis import diagnose
from cluster.rollout import is_rollout_over
from planning.names import Names
from planning.plan import Plan

_PERIOD_SECONDS = 1.0
_SILENCE_SECONDS = 60.0
"""An API server that restarts may give no answer for so long."""


def wait_for_rollout(workload: pulumi.Resource, plan: Plan) -> None:
    """Keep the program until the new pods have taken the place of the old ones.

    `pulumi up` then fails with the reason where they have not, within the time of an update. Groups
    of pods over several nodes are not waited for. Of a cluster that cannot be read the preflight
    tells; one that falls silent meanwhile is a warning.

    Args:
        workload: what makes the pods; the wait begins once Pulumi is done with it.
        plan: the plan.
    """
    context = plan.cluster.context
    if context is None or plan.placement.nodes > 1 or pulumi.runtime.is_dry_run():
        return
    workload.urn.apply(lambda _: outlast_rollout(plan, context))


async def outlast_rollout(plan: Plan, context: str) -> None:
    """Return once the rollout of the server is over, or nobody can tell.

    Raises:
        pulumi.RunError: it is not over within the time of an update; the message says why.
    """
    with contextlib.suppress(*UNREADABLE), connect(context) as client:
        seconds = plan.rollout.update_seconds
        deadline = time.monotonic() + seconds
        while not await _is_over(client, plan.names):
            if time.monotonic() > deadline:
                late = f"the rollout of '{plan.names.server}' is not over after {seconds} s:"
                raise pulumi.RunError("\n".join([late, *diagnose(client, plan.names)]))
            await asyncio.sleep(_PERIOD_SECONDS)


async def _is_over(client: Client, names: Names) -> bool:
    silence = time.monotonic() + _SILENCE_SECONDS
    while True:
        try:
            # A thread for each question, so that an interrupted `up` ends at once.
            return await asyncio.to_thread(is_rollout_over, client, names)
        except UNREADABLE as error:
            if is_refused(error) or time.monotonic() > silence:
                doubt = "whether the rollout is over is not known"
                pulumi.log.warn(f"kubernetes.context: {reason(error)}; {doubt}")
                return True
        await asyncio.sleep(_PERIOD_SECONDS)
