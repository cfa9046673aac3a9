"""What the cluster says about the volume of the model's files, and where the Job has to run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lightkube import Client
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.batch_v1 import Job

from cluster.objects import read_object, read_objects
from cluster.observed import node_terms, read_claim
from planning.cache import with_mounted_claim
from planning.download import is_beside_server, with_held_placements
from planning.names import Pairs, selector
from planning.plan import HeldPlacement, Plan, Toleration


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
    return HeldPlacement(
        node_selector=_pairs(spec.get("nodeSelector") or {}),
        node_affinity=tuple(_pairs(term) for term in node_terms(spec)),
        tolerations=tuple(_tolerations(spec)),
    )


def _pairs(labels: dict[str, str]) -> Pairs:
    return tuple(sorted(labels.items()))


def _tolerations(spec: dict[str, Any]) -> Iterator[Toleration]:
    found: list[dict[str, Any]] = spec.get("tolerations") or []
    for toleration in found:
        yield Toleration(
            key=toleration.get("key"),
            operator=toleration.get("operator") or "Equal",
            value=toleration.get("value"),
            effect=toleration.get("effect"),
            toleration_seconds=toleration.get("tolerationSeconds"),
        )
