"""Why replicas do not follow the load, as KEDA says it in the status of the app's ScaledObject."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_METRIC = re.compile(r"s([0-9]+)-")


def scaler_lines(scaled_object: Mapping[str, Any] | None) -> Iterator[str]:
    """Say what keeps KEDA from scaling, and which of its signals cannot be read.

    KEDA keeps both in the status, and `pulumi up` waits for neither.

    Args:
        scaled_object: as the cluster holds it, None where the app has none.
    """
    if scaled_object is None:
        return
    status: dict[str, Any] = scaled_object.get("status") or {}
    conditions: list[dict[str, str]] = status.get("conditions") or []
    for condition in conditions:
        said = condition.get("message") or condition.get("reason", "")
        if condition["type"] == "Ready" and condition["status"] != "True":
            yield f"autoscaler: KEDA does not scale: {said}"
        if condition["type"] == "Fallback" and condition["status"] == "True":
            yield f"autoscaler: the fallback decides: {said}"
    triggers: list[dict[str, Any]] = scaled_object["spec"].get("triggers") or []
    every: dict[str, dict[str, Any]] = status.get("health") or {}
    for metric, health in sorted(every.items()):
        if health.get("status") == "Failing":
            failures = health.get("numberOfFailures", 1)
            yield f"autoscaler: {_signal(metric, triggers)} cannot be read ({failures} in a row)"


def _signal(metric: str, triggers: list[dict[str, Any]]) -> str:
    """KEDA begins the name of a metric with the place of its trigger, as in s1-prometheus."""
    found = _METRIC.match(metric)
    if found is None or int(found[1]) >= len(triggers):
        return metric
    trigger = triggers[int(found[1])]
    return trigger.get("name") or "the request rate"
