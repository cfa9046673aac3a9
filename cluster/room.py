"""Whether a node is large enough for a pod, whatever else runs on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from lightkube.utils.quantity import parse_quantity

from cluster.observed import ObservedNode
from planning.download import plan_download
from planning.plan import Placement, Plan

_KEPT = "(what the node keeps for itself is not for pods)"


def quantity(text: str) -> Decimal:
    """Give the number of a Kubernetes quantity such as 500m or 30Gi."""
    return parse_quantity(text) or Decimal(0)


def total(*quantities: str) -> str:
    """Add Kubernetes quantities up, in the unit of the first where that is a whole number of it."""
    amount = sum(quantity(each) for each in quantities)
    unit = quantities[0].lstrip("0123456789.")
    count = amount / quantity(f"1{unit}")
    return f"{count.normalize():f}{unit}"


def lacking(node: ObservedNode, asked: Mapping[str, str]) -> list[str]:
    """Name the resources of which a pod asks for more than the node gives all pods together."""
    return [
        name
        for name, amount in sorted(asked.items())
        if quantity(node.allocatable.get(name, "0")) < quantity(amount)
    ]


def room_warnings(plan: Plan, pool: Sequence[ObservedNode]) -> Iterator[str]:
    """Warn where the nodes of the pool are too small for a pod, even with nothing else on them."""
    asked = _requests(plan.placement)
    if sum(not lacking(node, asked) for node in pool) < plan.placement.nodes:
        yield (
            f"{_lack(plan.placement, pool, asked)}; the pod stays Pending and 'pulumi up' fails "
            f"after {plan.start.seconds} s, unless the preset asks for less {_KEPT}"
        )


def download_room_warnings(plan: Plan, pool: Sequence[ObservedNode]) -> Iterator[str]:
    """Warn where nodes have room for a server and none for a download beside it.

    A volume that attaches to one node at a time brings the download of another model to the node
    of the server that still runs.
    """
    download, asked = plan_download(plan), _requests(plan.placement)
    roomy = [node for node in pool if not lacking(node, asked)]
    if download is None or not download.beside_server or not roomy:
        return
    both = {
        "cpu": total(asked["cpu"], download.cpu),
        "memory": total(asked["memory"], download.memory),
    }
    if all(lacking(node, both) for node in roomy):
        yield (
            f"{_lack(plan.placement, roomy, both)}, with {download.cpu} CPU and {download.memory} "
            "for the download beside the server (cache.accessMode ReadWriteOnce); the download of "
            "another model or revision stays Pending while the server runs, unless the preset asks "
            f"for less {_KEPT}"
        )


def _requests(placement: Placement) -> dict[str, str]:
    return {"cpu": placement.cpu, "memory": placement.memory}


def _lack(placement: Placement, pool: Sequence[ObservedNode], asked: Mapping[str, str]) -> str:
    name = next(name for node in pool for name in lacking(node, asked))
    most = max((node.allocatable.get(name, "0") for node in pool), key=quantity)
    return (
        f"preset: '{placement.preset}' asks for {name} {asked[name]}, and the nodes of its pool "
        f"give pods {most} at most"
    )
