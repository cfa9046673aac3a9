"""Labels and node selectors that the API server would refuse, each where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from settings.mistakes import Mistake
from settings.models import StackSettings

_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)


def label_mistakes(settings: StackSettings) -> Iterator[Mistake]:
    """Find keys and values that are none of a label (Kubernetes, labels and selectors)."""
    for key, labels in _placed(settings):
        for name, value in sorted(labels.items()):
            yield from _mistakes(f"{key}.{name}", name, value)


def _mistakes(key: str, name: str, value: str) -> Iterator[Mistake]:
    prefix, slash, last = name.rpartition("/")
    if not _NAME.fullmatch(last) or (slash and not _PREFIX.fullmatch(prefix)):
        yield Mistake(
            key=key,
            wrong=f"{name!r} is no key of a label",
            rule="it is a name of letters, digits, '-', '_' and '.', at most 63, and before it may "
            "stand a DNS name and '/'",
            remedy="write it like team or example.com/team",
        )
    if not _VALUE.fullmatch(value):
        yield Mistake(
            key=key,
            wrong=f"{value!r} is no value of a label",
            rule="it is empty, or letters, digits, '-', '_' and '.', at most 63, with a letter or "
            "digit at each end",
            remedy="write it like team-a",
        )


def _placed(settings: StackSettings) -> Iterator[tuple[str, Mapping[str, str]]]:
    yield "labels", settings.labels
    yield "nodeSelector", settings.node_selector
    for where, pool in settings.placed_pools():
        yield f"{where}.nodeSelector", pool.node_selector
