"""Whether the nodes of a pool have the GPU and the driver that a plan is made for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cluster.observed import ObservedNode
from cluster.taints import untolerated
from planning.gpu_compatibility import planned_driver_lack
from planning.plan import Placement, Plan
from planning.product_labels import foreign_labels, own_label
from settings.mistakes import Mistake


def reachable(pool: Sequence[ObservedNode], placement: Placement) -> list[ObservedNode]:
    """Pick the nodes whose taints a pod of the plan tolerates."""
    return [node for node in pool if not untolerated(node.taints, placement.tolerations)]


def device_mistakes(plan: Plan, pool: Sequence[ObservedNode]) -> Iterator[Mistake]:
    """Refuse nodes with another GPU, and a pool in which every driver is too old.

    Args:
        plan: the plan.
        pool: nodes that its pods may go to.
    """
    placement = plan.placement
    others = [
        (node, label)
        for node in pool
        for label in foreign_labels(placement.product, node.labels)
        if label.product is not None
    ]
    for node, label in others[:1]:
        yield Mistake(
            key="preset",
            wrong=f"'{placement.preset}' is for '{placement.product}', and its pods may go to the "
            f"node {node.name}, which is '{label.product}' ({label})",
            rule="memory, image and flags are those of one GPU, and another may not start the "
            "model",
            remedy=f"add {own_label(placement.product)} (or what its nodes carry) to the pool's "
            "nodeSelector, or name a preset of the other product",
        )
    old = [lack for node in pool if (lack := planned_driver_lack(plan, node.labels))]
    if old and len(old) == len(pool):
        yield Mistake(
            key="preset",
            wrong=f"on every node of '{placement.preset}' the {old[0]}",
            rule="vLLM does not start on an older driver",
            remedy="upgrade the driver, name another preset, or set image to one that is built "
            "for it",
        )


def device_warnings(plan: Plan, pool: Sequence[ObservedNode]) -> Iterator[str]:
    """Warn of nodes whose GPU the catalogue does not know, and of some that have an old driver.

    Args:
        plan: the plan.
        pool: nodes that its pods may go to.
    """
    placement = plan.placement
    for node in pool:
        unknown = [
            label
            for label in foreign_labels(placement.product, node.labels)
            if label.product is None
        ]
        if unknown:
            yield (
                f"preset: of the node {node.name} {unknown[0]}, which the catalogue does not know "
                f"as '{placement.product}'; if it is another GPU, the model may not start there"
            )
            break
    old = [(node, lack) for node in pool if (lack := planned_driver_lack(plan, node.labels))]
    if old and len(old) < len(pool):
        node, lack = old[0]
        yield (
            f"preset: on {len(old)} of {len(pool)} nodes of '{placement.preset}', such as "
            f"{node.name}, the {lack}; a pod that comes there does not start"
        )
