"""Rules among the keys of `autoscaling`, each breach as one line with its remedy."""

from __future__ import annotations

from typing import Any

import pytest

from settings.autoscaling import Autoscaling
from settings.autoscaling_rules import autoscaling_mistakes
from settings.parse import parse
from settings.triggers import Cron

PROMETHEUS = {"address": "http://prometheus.monitoring:9090"}
OFFICE: dict[str, Any] = {
    "start": "0 8 * * 1-5",
    "end": "0 18 * * 1-5",
    "timezone": "Europe/Berlin",
    "replicas": 2,
}


def keys(**asked: Any) -> list[str]:
    scaling = Autoscaling.model_validate({"enabled": True, **asked})
    return [mistake.key.removeprefix("autoscaling.") for mistake in autoscaling_mistakes(scaling)]


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ({"minReplicas": 6}, "minReplicas"),
        ({"minReplicas": 0, "idleReplicas": 0}, "idleReplicas"),
        ({"granularitySeconds": 61}, "granularitySeconds"),
        ({"requestsWaiting": 5}, "prometheus"),
        ({"concurrency": 5}, "prometheus"),
        ({"kvCacheUsage": 0.8}, "prometheus"),
        ({"timeToFirstTokenSeconds": 2.0}, "prometheus"),
        ({"cron": [OFFICE | {"end": OFFICE["start"]}]}, "cron[0].end"),
        ({"cron": [OFFICE, OFFICE | {"replicas": 6}]}, "cron[1].replicas"),
        ({"fallback": {"replicas": 6}}, "fallback.replicas"),
        (
            {"coldStart": {"placeholder": {}, "fallback": {"service": "small", "port": 80}}},
            "coldStart.fallback",
        ),
    ],
)
def test_a_contradiction_is_named_by_its_key(asked: dict[str, Any], key: str) -> None:
    assert keys(**asked) == [key]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"minReplicas": 5},
        {"minReplicas": 0},
        {"minReplicas": 1, "idleReplicas": 0},
        {"requestsWaiting": 5, "concurrency": 9, "kvCacheUsage": 1.0, "prometheus": PROMETHEUS},
        {"cron": [OFFICE]},
        {"coldStart": {"placeholder": {}}},
    ],
)
def test_what_fits_together_is_accepted(asked: dict[str, Any]) -> None:
    assert keys(**asked) == []


@pytest.mark.parametrize(
    "asked",
    [
        {"requestsWaiting": 5, "prometheus": PROMETHEUS},
        {"cron": [OFFICE]},
        {"minReplicas": 1, "idleReplicas": 0},
        {"coldStart": {"fallback": {"service": "small", "port": 80}}},
        {"scaleUp": {"pods": 1}, "scaleDown": {"pods": 2}, "scaleDownSeconds": 60},
        {"fallback": {"replicas": 2}},
    ],
)
def test_each_kind_takes_every_signal_and_every_pace(asked: dict[str, Any]) -> None:
    assert keys(**asked, kind="httpScaledObject") == keys(**asked, kind="interceptorRoute") == []


def test_only_an_answer_at_once_is_refused_for_an_http_scaled_object() -> None:
    asked: dict[str, Any] = {"coldStart": {"placeholder": {}}}
    assert keys(**asked, kind="httpScaledObject") == ["coldStart.placeholder"]
    assert keys(**asked, kind="interceptorRoute") == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": "8 o'clock"},
        {"start": "0 8 * *"},
        {"start": "0  8 * * 1-5"},
        {"timezone": "Europe/"},
        {"timezone": "+02:00"},
        {"replicas": 0},
    ],
)
def test_a_span_that_keda_would_not_read_is_refused(wrong: dict[str, Any]) -> None:
    Cron.model_validate(OFFICE)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Cron.model_validate(OFFICE | wrong)


@pytest.mark.parametrize("address", ["prometheus:9090", "http://p:9090/", "http://", "ftp://p"])
def test_an_address_that_keda_could_not_ask_is_refused(address: str) -> None:
    raw = {
        "model": "mistral-7b-instruct",
        "presets": "[]",
        "kubernetes": '{"context": "test"}',
        "ingress": '{"enabled": false}',
        "autoscaling": f'{{"prometheus": {{"address": "{address}"}}}}',
    }
    (mistake,) = parse(raw, secret=frozenset()).mistakes
    assert mistake.key == "autoscaling.prometheus.address"
    assert "is http:// or https:// with a host" in str(mistake)
