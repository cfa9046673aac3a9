"""Rules among the keys of `autoscaling`, each breach as one line with its remedy."""

from __future__ import annotations

import json
import zoneinfo
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from settings.autoscaling import Autoscaling
from settings.autoscaling_rules import autoscaling_mistakes
from settings.mistakes import Mistake
from settings.parse import parse
from settings.triggers import Cron
from tests.unit.test_settings import PRESET

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
            {"prometheus": {**PROMETHEUS, "tokenSecret": {"name": "reader", "caKey": "ca.crt"}}},
            "prometheus.tokenSecret.caKey",
        ),
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
        {"start": "60 8 * * *"},
        {"start": "0 24 * * *"},
        {"start": "0 8 0 * *"},
        {"start": "0 8 * 13 *"},
        # Sunday is 0 only, other than in most crontabs.
        {"start": "0 8 * * 7"},
        {"start": "0 8 * * 1-7"},
        {"start": "0 8 * * 5-1"},
        {"end": "0 18 * * monday"},
        {"end": "*/0 18 * * *"},
        {"end": "0, 18 * * *"},
        {"end": "1-2-3 18 * * *"},
        {"end": "0 \u0661 * * *"},
        {"timezone": "Europe/"},
        {"timezone": "Europe/Berln"},
        {"timezone": "+02:00"},
        {"timezone": "../../etc/passwd"},
        {"replicas": 0},
    ],
)
def test_a_span_that_keda_would_not_read_is_refused(wrong: dict[str, Any]) -> None:
    Cron.model_validate(OFFICE)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Cron.model_validate(OFFICE | wrong)


@pytest.mark.parametrize(
    "start",
    [
        "* * * * *",
        "*/5 0-23/2 1,15 1-12 0-6",
        "59 23 31 dec Sat",
        "0 8 ? JAN-mar mon-fri",
        "5/15 * * * *",
    ],
)
def test_a_schedule_that_keda_reads_is_taken(start: str) -> None:
    assert Cron.model_validate(OFFICE | {"start": start}).start == start


def test_the_database_of_the_machine_adds_no_time_zone(tmp_path: Path) -> None:
    (tmp_path / "Mars").mkdir()
    (tmp_path / "Mars" / "Olympus").write_bytes((files("tzdata") / "zoneinfo" / "UTC").read_bytes())
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([tmp_path])
    try:
        assert ZoneInfo("Mars/Olympus")
        with pytest.raises(ValueError, match="timezone"):
            Cron.model_validate(OFFICE | {"timezone": "Mars/Olympus"})
        Cron.model_validate(OFFICE | {"timezone": "Asia/Ho_Chi_Minh"})
    finally:
        zoneinfo.reset_tzpath(before)


def mistake_of(**autoscaling: object) -> Mistake:
    """The one mistake of a stack with keys of `autoscaling`."""
    raw = {
        "model": "mistral-7b-instruct",
        "presets": json.dumps([PRESET]),
        "kubernetes": '{"context": "test"}',
        "ingress": '{"enabled": false}',
        "autoscaling": json.dumps(autoscaling),
    }
    (mistake,) = parse(raw, secret=frozenset()).mistakes
    return mistake


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        ("prometheus:9090", "with a host, and no slash at its end"),
        ("http://p:9090/", "with a host, and no slash at its end"),
        ("http://", "with a host, and no slash at its end"),
        ("ftp://p", "with a host, and no slash at its end"),
        ("http://p..q:9090", "with a host, and no slash at its end"),
        ("http://p:90900", "a port from 1 to 65535"),
        ("http://p:9090/api/v1", "ends before /api/v1, which KEDA adds"),
    ],
)
def test_an_address_that_keda_could_not_ask_is_refused(address: str, rule: str) -> None:
    mistake = mistake_of(prometheus={"address": address})
    assert mistake.key == "autoscaling.prometheus.address"
    assert rule in str(mistake)


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        # The interceptor holds a counter for each step of the window, of every app of the cluster.
        ({"windowSeconds": 10**9}, "windowSeconds"),
        ({"maxReplicas": 10**10}, "maxReplicas"),
        ({"requestsPerSecond": 10**10}, "requestsPerSecond"),
        ({"timeToFirstTokenSeconds": float("inf")}, "timeToFirstTokenSeconds"),
        ({"fallback": {"failures": 10**10}}, "fallback.failures"),
        ({"coldStart": {"placeholder": {"statusCode": 100}}}, "coldStart.placeholder.statusCode"),
        ({"coldStart": {"fallback": {"service": "", "port": 80}}}, "coldStart.fallback.service"),
    ],
)
def test_a_value_that_kubernetes_or_keda_could_not_hold_is_refused(
    asked: dict[str, Any], key: str
) -> None:
    assert mistake_of(**asked).key == f"autoscaling.{key}"


def test_a_kind_in_the_case_of_kubernetes_is_answered_with_its_key() -> None:
    assert mistake_of(kind="InterceptorRoute").remedy == "did you mean 'interceptorRoute'?"
