"""Labels, selectors and annotations that the API server would refuse, each where it stands."""

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
            yield from label_key_mistakes(f"{key}.{name}", name)
            yield from label_value_mistakes(f"{key}.{name}", value)
    for name in sorted(settings.ingress.annotations) if settings.ingress.enabled else ():
        # The API server takes an annotation's key in any case (ValidateAnnotations).
        if not _is_qualified(name.lower()):
            yield _no_key(f"ingress.annotations.{name}", name, "an annotation")


def label_key_mistakes(key: str, name: str) -> Iterator[Mistake]:
    """Find a key that no label has.

    Args:
        key: where it stands in the stack config.
        name: the label's own key.
    """
    if not _is_qualified(name):
        yield _no_key(key, name, "a label")


def label_value_mistakes(key: str, value: str) -> Iterator[Mistake]:
    """Find a value that no label has.

    Args:
        key: where it stands in the stack config.
        value: the label's own.
    """
    if not _VALUE.fullmatch(value):
        yield Mistake(
            key=key,
            wrong=f"{value!r} is no value of a label",
            rule="it is empty, or letters, digits, '-', '_' and '.', at most 63, with a letter or "
            "digit at each end",
            remedy="write it like team-a",
        )


def _is_qualified(name: str) -> bool:
    prefix, slash, last = name.rpartition("/")
    return bool(_NAME.fullmatch(last) and (not slash or _PREFIX.fullmatch(prefix)))


def _no_key(key: str, name: str, kind: str) -> Mistake:
    return Mistake(
        key=key,
        wrong=f"{name!r} is no key of {kind}",
        rule="it is a name of letters, digits, '-', '_' and '.', at most 63, and before it may "
        "stand a DNS name and '/'",
        remedy="write it like team or example.com/team",
    )


def _placed(settings: StackSettings) -> Iterator[tuple[str, Mapping[str, str]]]:
    yield "labels", settings.labels
    yield "nodeSelector", settings.node_selector
    for where, pool in settings.placed_pools():
        yield f"{where}.nodeSelector", pool.node_selector
    for index, client in enumerate(settings.network.clients):
        yield f"network.clients[{index}].podLabels", client.pod_labels
