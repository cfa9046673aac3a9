"""What the cluster says about where the download Job has to run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lightkube import Client
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.batch_v1 import Job

from cluster.objects import read_object, read_objects
from cluster.observed import node_terms
from planning.download import is_beside_server, with_held_placements
from planning.names import Pairs, selector
from planning.plan import HeldPlacement, Plan, Toleration


def beside_running_server(plan: Plan, client: Client) -> Plan:
    """Give the plan in which the Job goes where the volume is attached."""
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
