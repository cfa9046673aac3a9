"""`pulumi up` lasts as long as the rollout of the server."""

from __future__ import annotations

import asyncio
import contextlib
import time

import httpx2
import pulumi
from lightkube.core.exceptions import ApiError, ConfigError

from cluster.client import ClusterUnreachableError, connect
from cluster.diagnosis import diagnose
from cluster.rollout import is_rollout_over
from planning.plan import Plan

_PERIOD_SECONDS = 1.0
_UNREADABLE = (ApiError, ConfigError, ClusterUnreachableError, httpx2.TransportError)


def wait_for_rollout(workload: pulumi.Resource, plan: Plan) -> None:
    """Keep the program until the new pods have taken the place of the old ones.

    `pulumi up` then fails with the reason where they have not, within the time of an update. Groups
    of pods over several nodes are not waited for, and no cluster that this user cannot read: the
    preflight has said so.

    Args:
        workload: what makes the pods; the wait begins once Pulumi is done with it.
        plan: the plan.
    """
    if plan.cluster.context is not None and plan.placement.nodes == 1:
        workload.urn.apply(lambda _: _wait(plan, plan.cluster.context or ""))


async def _wait(plan: Plan, context: str) -> None:
    if pulumi.runtime.is_dry_run():
        return
    seconds = plan.rollout.update_seconds
    deadline = time.monotonic() + seconds
    with contextlib.suppress(*_UNREADABLE), connect(context) as client:
        # Each question has a thread for itself, so that an interrupted `up` ends at once.
        while not await asyncio.to_thread(is_rollout_over, client, plan.names):
            if time.monotonic() > deadline:
                late = f"the rollout of '{plan.names.server}' is not over after {seconds} s:"
                raise pulumi.RunError("\n".join([late, *diagnose(client, plan.names)]))
            await asyncio.sleep(_PERIOD_SECONDS)
