"""Which product the labels of a node name, held against the product of a preset.

Labels are those that GPU feature discovery and AMD's node labeller publish; the catalogue lists
the values that it knows of each product.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from catalog.loader import find_gpu, load_gpus
from catalog.records import Gpu

SHARED_SUFFIX = "-SHARED"
"""Ends the product label of a time-sliced GPU (k8s-device-plugin, internal/lm/resource.go)."""

_INSTANCE = "-mig-"
_INSTANCE_LABEL = "-MIG-"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignLabel:
    """A product label with another value than a product has; `product` is whose it is, if known."""

    key: str
    value: str
    product: str | None

    def __str__(self) -> str:
        return f"{self.key} is {self.value}"


def foreign_labels(product: str, labels: Mapping[str, str]) -> Iterator[ForeignLabel]:
    """Find the labels that name another product, or one that the catalogue does not know.

    A node that MIG divides tells of the whole GPU too, which must be the same.

    Args:
        product: key of a device of the catalogue, a whole GPU or an instance of one.
        labels: of a node, or those that a node selector asks for.
    """
    gpu, (_, _, profile) = whole_gpu(product), product.partition(_INSTANCE)
    keys = [gpu.product_label_key]
    keys += [f"nvidia.com/mig-{profile}.product"] if profile else []
    for key in keys:
        if key in labels:
            value = labels[key]
            named = value.removesuffix(SHARED_SUFFIX).partition(_INSTANCE_LABEL)[0]
            if named not in gpu.product_labels:
                yield ForeignLabel(key=key, value=value, product=_product(named))


def own_label(product: str) -> str:
    """Give a label of a product as `key: value`, for a node selector."""
    gpu = whole_gpu(product)
    return f"{gpu.product_label_key}: {gpu.product_labels[0]}"


def whole_gpu(product: str) -> Gpu:
    """Find a device of the catalogue, or the GPU that an instance is cut from, by its key."""
    return find_gpu(product.partition(_INSTANCE)[0])


def _product(value: str) -> str | None:
    return next((gpu.key for gpu in load_gpus() if value in gpu.product_labels), None)
