"""What requests need on their former route outlives the change of the ingress by a few seconds.

Where autoscaling is switched on or off, Pulumi changes the ingress, and deletes the interceptor's
route and the former caller's NetworkPolicy as soon as the program ends. An ingress controller that
applies the change late would still use both: the interceptor answers 404 without its route.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pulumi
from lightkube import Client
from lightkube.resources.networking_v1 import NetworkPolicy

from cluster.client import UNREADABLE, connect
from cluster.objects import read_objects
from cluster.observed import read_scaled_object
from planning.names import app_selector
from planning.plan import Plan

CATCH_UP_SECONDS = 3.0
"""Traefik applies changes at most 2 s after those before (providersThrottleDuration, v3.7)."""


def keep_former_route(ingress: Sequence[pulumi.Resource], plan: Plan) -> None:
    """Keep the program until the ingress controller has left the former route of requests.

    Args:
        ingress: objects of the ingress; the wait begins once Pulumi is done with them.
        plan: the plan.
    """
    context = plan.cluster.context
    if context is None or pulumi.runtime.is_dry_run():
        return
    done = pulumi.Output.all(*(each.urn for each in ingress))
    done.apply(lambda _: _outlast_controller(plan, context))


async def _outlast_controller(plan: Plan, context: str) -> None:
    if await asyncio.to_thread(has_former_route, plan, context):
        await asyncio.sleep(CATCH_UP_SECONDS)


def has_former_route(plan: Plan, context: str) -> bool:
    """Whether the cluster holds an interceptor's route or a caller's policy which is to go.

    Where it cannot be read, nothing is known to go.
    """
    try:
        with connect(context) as client:
            return _has_former_scaler(plan, client) or _has_former_policy(plan, client)
    except UNREADABLE:
        return False


def _has_former_scaler(plan: Plan, client: Client) -> bool:
    names = plan.names
    return (
        plan.scaling is None and read_scaled_object(client, names.namespace, names.app) is not None
    )


def _has_former_policy(plan: Plan, client: Client) -> bool:
    if plan.network is None:
        return False
    names = plan.names
    labels = app_selector(names)
    found = read_objects(client, NetworkPolicy, namespace=names.namespace, labels=labels)
    planned = {names.network_policy(policy.role) for policy in plan.network.policies}
    return any(policy["metadata"]["name"] not in planned for policy in found)
