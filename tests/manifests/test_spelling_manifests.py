"""Durations and quantities as the cluster would store them, so that no diff stays."""

import re
from collections.abc import Iterator
from typing import cast

import pytest

from tests.manifests.dev_stack import dev
from tests.program.recording import run_stack_file

CANONICAL_DURATION = re.compile(r"(\d+h[0-5]?\dm[0-5]?\ds|[1-5]?\dm[0-5]?\ds|[1-5]?\ds)")
CANONICAL_QUANTITY = re.compile(r"[1-9]\d*(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
BINARY = {"Ki": "Mi", "Mi": "Gi", "Gi": "Ti"}


def texts_under(value: object, keys: frozenset[str]) -> Iterator[str]:
    """Every text that stands under one of the keys, at any depth."""
    if isinstance(value, dict):
        for key, inner in cast("dict[str, object]", value).items():
            if key in keys and isinstance(inner, str):
                yield inner
            yield from texts_under(inner, keys)
    if isinstance(value, list):
        for inner in cast("list[object]", value):
            yield from texts_under(inner, keys)


@pytest.mark.parametrize("kind", ["interceptorRoute", "httpScaledObject"])
@pytest.mark.parametrize("window", [1, 59, 60, 90, 3600, 5400])
def test_durations_are_spelled_as_the_add_on_would_rewrite_them(kind: str, window: int) -> None:
    recording = dev(autoscaling={"enabled": True, "kind": kind, "windowSeconds": window})
    timeouts = {"readiness", "request", "responseHeader", "conditionWait"}
    keys = frozenset({"window", "granularity", *timeouts})
    durations = list(texts_under([r.inputs for r in recording.requests], keys))
    assert len(durations) >= 4
    assert all(CANONICAL_DURATION.fullmatch(duration) for duration in durations)


def test_a_minute_is_spelled_1m0s() -> None:
    route = dev(autoscaling={"enabled": True}).only(":InterceptorRoute")
    assert route.inputs["spec"]["scalingMetric"] == {
        "requestRate": {"targetValue": 100, "window": "1m0s", "granularity": "1s"}
    }


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_quantities_are_spelled_as_the_api_server_would_store_them(stack: str) -> None:
    objects = [request.inputs for request in run_stack_file(stack).requests]
    quantities = set(texts_under(objects, frozenset({"cpu", "memory", "storage", "sizeLimit"})))
    assert len(quantities) >= 4
    for quantity in quantities:
        assert CANONICAL_QUANTITY.fullmatch(quantity), quantity
        suffix = quantity.lstrip("0123456789")
        number = quantity.removesuffix(suffix)
        # 2048Mi would come back as 2Gi, 1000m as 1.
        assert not (suffix in BINARY and int(number) % 1024 == 0), quantity
        assert not (suffix == "m" and int(number) % 1000 == 0), quantity
