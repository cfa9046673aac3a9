"""What the cluster's StorageClasses say about the claim of the cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lightkube import Client
from lightkube.resources.storage_v1 import StorageClass

from cluster.objects import read_objects
from cluster.observed import quantity_bytes
from planning.plan import Plan
from planning.volumes import Cache, HeldClaim
from settings.mistakes import Mistake

_DEFAULT = "storageclass.kubernetes.io/is-default-class"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedStorageClass:
    """A StorageClass: whether claims without one get it, and whether its claims can grow."""

    name: str
    is_default: bool
    expands: bool


def read_storage_classes(client: Client) -> list[ObservedStorageClass]:
    """Read every StorageClass, in the order of their names."""
    found = (_observed(item) for item in read_objects(client, StorageClass))
    return sorted(found, key=lambda each: each.name)


def _observed(item: dict[str, Any]) -> ObservedStorageClass:
    annotations: dict[str, str] = item["metadata"].get("annotations") or {}
    return ObservedStorageClass(
        name=item["metadata"]["name"],
        is_default=annotations.get(_DEFAULT) == "true",
        expands=bool(item.get("allowVolumeExpansion")),
    )


def class_mistakes(
    cache: Cache, held: HeldClaim | None, classes: Sequence[ObservedStorageClass]
) -> Iterator[Mistake]:
    """Refuse a growth that the claim's class does not allow."""
    if held is None or not cache.size_is_asked or quantity_bytes(cache.size) <= held.size_bytes:
        return
    if any(found.name == held.storage_class and not found.expands for found in classes):
        yield Mistake(
            key="cache.size",
            wrong=f"{cache.size} is more than the {held.size} of the claim '{held.name}'",
            rule=f"its class {held.storage_class} lets no claim grow",
            remedy="put it back, or set allowVolumeExpansion on the class if its driver can",
        )


def class_warnings(
    plan: Plan, held: HeldClaim | None, classes: Sequence[ObservedStorageClass]
) -> Iterator[str]:
    """Warn where nothing makes the volume of a new claim, which Pulumi would wait for."""
    asked = plan.cache.storage_class
    if held is not None or asked == "":
        return
    there = ", ".join(found.name for found in classes) or "none"
    if asked is None and not any(found.is_default for found in classes):
        yield (
            "cache.storageClass: is not set, and this cluster has no default StorageClass, so "
            f"nothing makes the volume and 'pulumi up' waits in vain; name one of: {there}"
        )
    elif asked is not None and asked not in {found.name for found in classes}:
        yield (
            f"cache.storageClass: this cluster has no StorageClass '{asked}', so 'pulumi up' waits "
            f"in vain unless a volume of that class exists; its classes: {there}"
        )
