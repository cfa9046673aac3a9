"""Whether a node is large enough for a pod, whatever else runs on it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from lightkube.utils.quantity import parse_quantity

from cluster.observed import ObservedNode


def quantity(text: str) -> Decimal:
    """Give the number of a Kubernetes quantity such as 500m or 30Gi."""
    return parse_quantity(text) or Decimal(0)


def lacking(node: ObservedNode, asked: Mapping[str, str]) -> list[str]:
    """Name the resources of which a pod asks for more than the node gives all pods together."""
    return [
        name
        for name, amount in sorted(asked.items())
        if quantity(node.allocatable.get(name, "0")) < quantity(amount)
    ]
