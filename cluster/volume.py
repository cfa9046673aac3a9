"""What the cluster says about the volume of the model's files, and where the Job has to run."""

from __future__ import annotations

from typing import Any

from lightkube import Client
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.batch_v1 import Job

from cluster.objects import read_object, read_objects
from cluster.observed import node_terms, read_claim, toleration_of
from planning.cache import with_mounted_claim
from planning.download import is_beside_server, with_held_placements
from planning.names import Pairs, selector
from planning.plan import HeldPlacement, Plan


def with_volume(plan: Plan, client: Client) -> Plan:
    """Give the plan for the volume as it is: how many nodes use it, and where it is attached."""
    return _beside_server(_mounted(plan, client), client)


def _mounted(plan: Plan, client: Client) -> Plan:
    claim = plan.cache.claim
    if claim is None:
        return plan
    return with_mounted_claim(plan, read_claim(client, plan.names.namespace, claim))


def _beside_server(plan: Plan, client: Client) -> Plan:
    if not is_beside_server(plan):
        return plan
    names = plan.names
    server = read_object(client, Deployment, names.server, namespace=names.namespace)
    labels = selector(names, "download")
    jobs = read_objects(client, Job, namespace=names.namespace, labels=labels)
    return with_held_placements(
        plan,
        None if server is None else held_placement(server),
        [held_placement(job) for job in jobs],
    )


def held_placement(workload: dict[str, Any]) -> HeldPlacement:
    """Take from a Deployment or Job where its pods may go."""
    spec: dict[str, Any] = workload["spec"]["template"]["spec"]
    tolerations: list[dict[str, Any]] = spec.get("tolerations") or []
    return HeldPlacement(
        node_selector=_pairs(spec.get("nodeSelector") or {}),
        node_affinity=tuple(_pairs(term) for term in node_terms(spec)),
        tolerations=tuple(toleration_of(each) for each in tolerations),
    )


def _pairs(labels: dict[str, str]) -> Pairs:
    return tuple(sorted(labels.items()))
