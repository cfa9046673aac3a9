"""Tolerations that the API server would refuse, each where it stands."""

from __future__ import annotations

from collections.abc import Iterator

from settings.label_rules import label_key_mistakes, label_value_mistakes
from settings.mistakes import Mistake
from settings.models import StackSettings, Toleration


def toleration_mistakes(settings: StackSettings) -> Iterator[Mistake]:
    """Find what contradicts itself in a toleration (Kubernetes, ValidateTolerations)."""
    for key, toleration in _placed(settings):
        if toleration.settled_operator == "Exists" and toleration.value is not None:
            yield Mistake(
                key=f"{key}.operator",
                wrong=f"Exists stands beside the value {toleration.value!r}",
                rule="Exists tolerates a taint whatever its value",
                remedy="remove one of the two",
            )
        if toleration.settled_operator == "Equal" and not toleration.key:
            yield Mistake(
                key=f"{key}.key",
                wrong="is missing",
                rule="Equal compares the value of one taint",
                remedy="name the taint's key, or set operator to Exists for every taint",
            )
        if toleration.key:
            yield from label_key_mistakes(f"{key}.key", toleration.key)
        yield from label_value_mistakes(f"{key}.value", toleration.value or "")
        if toleration.toleration_seconds is not None and toleration.effect != "NoExecute":
            yield Mistake(
                key=f"{key}.tolerationSeconds",
                wrong=f"stands beside the effect {toleration.effect or 'of every kind'}",
                rule="only NoExecute makes a pod leave after some time",
                remedy="set effect to NoExecute, or remove it",
            )


def _placed(settings: StackSettings) -> Iterator[tuple[str, Toleration]]:
    for index, toleration in enumerate(settings.tolerations):
        yield f"tolerations[{index}]", toleration
    for where, pool in settings.placed_pools():
        for place, toleration in enumerate(pool.tolerations):
            yield f"{where}.tolerations[{place}]", toleration
