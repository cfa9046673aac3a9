"""Why replicas do not follow the load, from what KEDA says."""

from __future__ import annotations

from typing import Any

from cluster.scaling_diagnosis import scaler_lines

TRIGGERS: list[dict[str, Any]] = [
    {"type": "external-push"},
    {"type": "prometheus", "name": "requests-waiting"},
]


def lines(*, health: dict[str, Any] | None = None, **conditions: tuple[str, str]) -> list[str]:
    """What is said of conditions, each a status and a message, and of the health of metrics."""
    told = [{"type": t, "status": s, "message": m} for t, (s, m) in conditions.items()]
    status = {"conditions": told, "health": health or {}}
    return list(scaler_lines({"spec": {"triggers": TRIGGERS}, "status": status}))


def test_an_autoscaler_that_works_or_is_not_there_is_not_spoken_of() -> None:
    assert list(scaler_lines(None)) == []
    assert list(scaler_lines({"spec": {}})) == []
    well = {"s1-prometheus": {"status": "Happy", "numberOfFailures": 0}}
    assert lines(Ready=("True", "ready"), Fallback=("False", "none"), health=well) == []


def test_a_scaled_object_that_keda_cannot_use_is_told_with_its_reason() -> None:
    assert lines(Ready=("False", "error parsing start schedule")) == [
        "autoscaler: KEDA does not scale: error parsing start schedule"
    ]


def test_a_signal_that_cannot_be_read_is_named_as_its_trigger() -> None:
    failing = {"status": "Failing", "numberOfFailures": 4}
    assert lines(
        Ready=("True", "ready"),
        Fallback=("True", "at least one trigger is falling back"),
        health={"s1-prometheus": failing, "s0-http_vllm_rate": failing, "other": failing},
    ) == [
        "autoscaler: the fallback decides: at least one trigger is falling back",
        "autoscaler: other cannot be read (4 in a row)",
        "autoscaler: the request rate cannot be read (4 in a row)",
        "autoscaler: requests-waiting cannot be read (4 in a row)",
    ]
