"""`pulumi up` lasts as long as the rollout of the server."""

from __future__ import annotations

import asyncio
import time

import pulumi
from lightkube import Client
from lightkube.core.exceptions import ConfigError

from cluster.client import UNREADABLE, ClusterUnreachableError, connect, is_refused, reason
from cluster.diagnosis import diagnose
from cluster.group_rollout import ObservedGroupRollout, read_group_rollout
from cluster.rollout import ObservedRollout, read_rollout
from planning.plan import Plan

_Observed = ObservedRollout | ObservedGroupRollout

_PERIOD_SECONDS = 1.0
_SILENCE_SECONDS = 60.0
"""An API server that restarts may give no answer for so long."""


def wait_for_rollout(workload: pulumi.Resource, plan: Plan) -> None:
    """Keep the program until the new pods have taken the place of the old ones.

    `pulumi up` then fails with the reason where they have not, within the time of an update, or as
    soon as the Deployment's controller gives up; that of groups over several nodes never does. Of a
    cluster that cannot be read the preflight tells; one that falls silent meanwhile is a warning.

    Args:
        workload: what makes the pods; the wait begins once Pulumi is done with it.
        plan: the plan.
    """
    context = plan.cluster.context
    if context is None or pulumi.runtime.is_dry_run():
        return
    workload.urn.apply(lambda _: outlast_rollout(plan, context))


async def outlast_rollout(plan: Plan, context: str) -> None:
    """Return once the rollout of the server is over, or nobody can tell.

    Raises:
        pulumi.RunError: it is not over within the time of an update, or its controller has given
            up meanwhile; the message says why.
    """
    try:
        client = connect(context)
    except (ClusterUnreachableError, ConfigError):
        return
    with client:
        await _outlast(client, plan)


async def _outlast(client: Client, plan: Plan) -> None:
    rollout = plan.rollout
    deadline = time.monotonic() + rollout.update_seconds
    # What its controller gave up before this `up` may still go on by itself, so it is waited for.
    was_going = False
    while (found := await _read(client, plan)) and not found.is_over:
        if was_going and found.is_given_up:
            raise _not_over(client, plan, found, rollout.progress_seconds)
        if time.monotonic() > deadline:
            raise _not_over(client, plan, found, rollout.update_seconds)
        was_going = was_going or not found.is_given_up
        await asyncio.sleep(_PERIOD_SECONDS)


def _not_over(client: Client, plan: Plan, found: _Observed, seconds: int) -> pulumi.RunError:
    late = [f"the rollout of '{plan.names.server}' is not over after {seconds} s:"]
    if not found.is_seen:
        late.append("its controller has not seen the change")
    try:
        reasons = diagnose(client, plan.names)
    except UNREADABLE as error:
        # Who may not read nodes or events is still told that the rollout failed.
        reasons = [f"why is not known ({reason(error)})"]
    return pulumi.RunError("\n".join([*late, *reasons]))


async def _read(client: Client, plan: Plan) -> _Observed | None:
    """Read how far the rollout is; None where there is none, or nobody can tell."""
    silence = time.monotonic() + _SILENCE_SECONDS
    while True:
        try:
            # A thread for each question, so that an interrupted `up` ends at once.
            return await asyncio.to_thread(_observe, client, plan)
        except UNREADABLE as error:
            if is_refused(error) or time.monotonic() > silence:
                doubt = "whether the rollout is over is not known"
                pulumi.log.warn(f"kubernetes.context: {reason(error)}; {doubt}")
                return None
        await asyncio.sleep(_PERIOD_SECONDS)


def _observe(client: Client, plan: Plan) -> _Observed | None:
    names = plan.names
    if plan.placement.nodes > 1:
        return read_group_rollout(client, names.namespace, names.groups)
    return read_rollout(client, names.namespace, names.server)
