"""An interceptor's route outlives the switch of the ingress to the server by a few seconds.

Where autoscaling is switched off, Pulumi turns the ingress to the server and deletes the route as
soon as the program ends. A controller that applies the first late would still send requests to the
interceptor, which answers 404 without the route.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pulumi

from cluster.client import UNREADABLE, connect
from cluster.observed import read_scaled_object
from planning.plan import Plan

CATCH_UP_SECONDS = 3.0
"""Traefik applies changes at most 2 s after those before (providersThrottleDuration, v3.7)."""


def keep_former_route(ingress: Sequence[pulumi.Resource], plan: Plan) -> None:
    """Keep the program until the ingress controller has left the interceptor alone.

    Args:
        ingress: objects of the ingress; the wait begins once Pulumi is done with them.
        plan: the plan.
    """
    context = plan.cluster.context
    if context is None or plan.scaling is not None or pulumi.runtime.is_dry_run():
        return
    done = pulumi.Output.all(*(each.urn for each in ingress))
    done.apply(lambda _: _outlast_controller(plan, context))


async def _outlast_controller(plan: Plan, context: str) -> None:
    if await asyncio.to_thread(has_scaled_object, plan, context):
        await asyncio.sleep(CATCH_UP_SECONDS)


def has_scaled_object(plan: Plan, context: str) -> bool:
    """Whether the app is scaled still; not where nobody can tell."""
    try:
        with connect(context) as client:
            found = read_scaled_object(client, plan.names.namespace, plan.names.app)
    except UNREADABLE:
        return False
    return found is not None
