"""Which taints keep a pod from a node, as Kubernetes compares them with its tolerations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from planning.plan import Toleration


@dataclass(frozen=True, slots=True, kw_only=True)
class Taint:
    """A taint of a node that keeps pods away; `value` is empty where it has none."""

    key: str
    value: str
    effect: str

    def __str__(self) -> str:
        value = f"={self.value}" if self.value else ""
        return f"{self.key}{value}:{self.effect}"


def untolerated(taints: Iterable[Taint], tolerations: Iterable[Toleration]) -> list[Taint]:
    """Pick the taints that no toleration matches."""
    given = tuple(tolerations)
    return [taint for taint in taints if not any(_matches(each, taint) for each in given)]


def _matches(toleration: Toleration, taint: Taint) -> bool:
    """Compare as Kubernetes does: what is left out matches all (core/v1 Toleration)."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    return toleration.operator == "Exists" or (toleration.value or "") == taint.value
