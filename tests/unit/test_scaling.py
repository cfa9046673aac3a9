"""Durations and addresses as KEDA and its HTTP add-on write them."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from planning.scaling import go_duration, plan_scaling
from settings.autoscaling import Autoscaling

_UNITS = {"h": 3600, "m": 60, "s": 1}


@given(st.integers(min_value=0, max_value=10**7))
def test_a_duration_keeps_its_seconds_and_has_one_spelling(seconds: int) -> None:
    text = go_duration(seconds)
    parts = re.findall(r"(\d+)([hms])", text)
    assert "".join(number + unit for number, unit in parts) == text
    assert sum(int(number) * _UNITS[unit] for number, unit in parts) == seconds
    # Go prints 60 as 1m0s: only the first part may exceed its unit, and none between is left out.
    assert all(int(number) < 60 for number, _ in parts[1:])
    assert [unit for _, unit in parts] == list("hms")[-len(parts) :]


def test_the_default_window_is_spelt_as_the_operator_rewrites_it() -> None:
    assert go_duration(60) == "1m0s"


def test_autoscaling_is_one_to_five_replicas_at_a_hundred_requests_per_second() -> None:
    scaling = plan_scaling(Autoscaling.model_validate({"enabled": True}))
    assert scaling is not None
    assert (scaling.min_replicas, scaling.max_replicas) == (1, 5)
    assert (scaling.requests_per_second, scaling.window_seconds) == (100, 60)
    assert (scaling.granularity_seconds, scaling.scale_down_seconds) == (1, 300)
    assert scaling.scaler_address == "keda-add-ons-http-external-scaler.keda:9090"


def test_disabled_autoscaling_plans_nothing() -> None:
    assert plan_scaling(Autoscaling()) is None
