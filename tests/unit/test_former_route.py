"""Whether a switch of autoscaling leaves something behind that the former route still needs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cluster.former_route import has_former_route
from planning.plan import Plan
from tests.choices import planned, preset
from tests.unit.conftest import JSON, Proxy

pytestmark = pytest.mark.usefixtures("kubeconfig")

ABSENT = (404, JSON, json.dumps({"kind": "Status", "code": 404}).encode())


def plan(*, scaled: bool) -> Plan:
    return planned(
        [preset("l4")],
        autoscaling={"enabled": scaled},
        cache={"accessMode": "ReadWriteMany"},
        ingress={"host": "llm.example.com"},
    )


def shown(content: dict[str, Any]) -> tuple[int, str, bytes]:
    return 200, JSON, json.dumps(content).encode()


def policies(*roles: str) -> tuple[int, str, bytes]:
    named = [{"metadata": {"name": f"vllm-{role}"}} for role in roles]
    return shown({"metadata": {}, "items": named})


def roles(of: Plan) -> list[str]:
    assert of.network is not None
    return [policy.role for policy in of.network.policies]


def test_an_app_that_is_scaled_still_has_a_route_that_goes(proxy: Proxy) -> None:
    scaled_object = {"metadata": {"name": "vllm"}, "spec": {}}
    proxy.answers = (shown(scaled_object),)
    assert has_former_route(plan(scaled=False), "proxy")


@pytest.mark.parametrize("scaled", [True, False])
def test_the_policy_of_a_caller_that_is_no_longer_planned_goes(proxy: Proxy, scaled: bool) -> None:
    before = [] if scaled else [ABSENT]
    new, old = roles(plan(scaled=scaled)), roles(plan(scaled=not scaled))
    proxy.answers = (*before, policies(*new, *old))
    assert has_former_route(plan(scaled=scaled), "proxy")


@pytest.mark.parametrize("scaled", [True, False])
def test_an_up_that_switches_nothing_waits_for_nobody(proxy: Proxy, scaled: bool) -> None:
    before = [] if scaled else [ABSENT]
    proxy.answers = (*before, policies(*roles(plan(scaled=scaled))))
    assert not has_former_route(plan(scaled=scaled), "proxy")


def test_of_a_cluster_that_cannot_be_read_nothing_is_known_to_go(proxy: Proxy) -> None:
    proxy.answers = ((502, "text/html", b"<html>"),)
    assert not has_former_route(plan(scaled=False), "proxy")
