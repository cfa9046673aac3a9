"""What a live cluster says about the way in from outside."""

from dataclasses import replace
from typing import Any

import pytest

from cluster.exposure import class_mistakes, class_warnings, gateway_warnings, host_warnings
from cluster.observed import ObservedListener
from cluster.observed_routes import ObservedRoute
from planning.exposure import GatewayExposure, IngressExposure
from planning.plan import Plan
from tests.choices import planned, preset

HTTP = ObservedListener(name="web", protocol="HTTP", hostname=None, routes_from="All")
HTTPS = replace(HTTP, name="websecure", protocol="HTTPS")
GATEWAY = {"kind": "gateway", "gateway": {"name": "public", "namespace": "edge"}}


def exposed(ingress: dict[str, Any], **keys: Any) -> Plan:
    asked = {"enabled": True, "host": "llm.example.com"} | ingress
    return planned([preset("l4")], ingress=asked, **keys)


def warnings(listeners: list[ObservedListener] | None, **ingress: object) -> list[str]:
    found = exposed(GATEWAY | ingress).ingress
    assert isinstance(found, GatewayExposure)
    return list(gateway_warnings(found, listeners, namespace="llm"))


def test_a_gateway_that_is_not_there_is_a_warning() -> None:
    (warning,) = warnings(None)
    assert "there is no Gateway edge/public" in warning
    assert "nobody answers at http://llm.example.com" in warning


@pytest.mark.parametrize(
    ("tls", "listeners", "warns"),
    [
        (None, [HTTP], None),
        (None, [HTTP, HTTPS], None),
        (None, [HTTPS], "has no HTTP listener"),
        ({"kind": "controller"}, [HTTPS], None),
        ({"kind": "controller"}, [HTTP], "has no HTTPS listener"),
        ({"kind": "controller"}, [HTTP, HTTPS], "may come in clear"),
    ],
)
def test_a_gateway_listens_on_what_the_address_says_and_on_nothing_in_clear(
    tls: dict[str, str] | None, listeners: list[ObservedListener], warns: str | None
) -> None:
    found = warnings(listeners, **({"tls": tls} if tls else {}))
    assert len(found) == (1 if warns else 0)
    assert all(warns in warning for warning in found if warns)


@pytest.mark.parametrize(
    ("listeners", "lacking"),
    [
        ([replace(HTTP, routes_from="Same")], "that admits routes of the namespace llm"),
        ([replace(HTTP, routes_from="Same"), HTTP], None),
        ([replace(HTTP, routes_from="Selector")], None),
        ([replace(HTTP, hostname="llm.example.com")], None),
        ([replace(HTTP, hostname="*.example.com")], None),
        ([replace(HTTP, hostname="*.com")], None),
        ([replace(HTTP, hostname="example.com")], "for llm.example.com"),
        ([replace(HTTP, hostname="*.m.example.com")], "for llm.example.com"),
        (
            [replace(HTTP, hostname="other.example"), replace(HTTP, routes_from="Same")],
            "for llm.example.com",
        ),
    ],
)
def test_a_gateway_that_would_not_take_the_route_is_a_warning(
    listeners: list[ObservedListener], lacking: str | None
) -> None:
    found = warnings(listeners)
    assert len(found) == (0 if lacking is None else 1)
    assert lacking is None or lacking in found[0]


def test_a_gateway_of_the_namespace_takes_its_routes() -> None:
    same = [replace(HTTP, routes_from="Same")]
    assert warnings(same, gateway={"name": "public"}) == []


@pytest.mark.parametrize("kind", [{}, GATEWAY])
@pytest.mark.parametrize(
    ("changed", "warned"),
    [
        ({}, True),
        ({"path": "/v1/"}, True),
        ({"path": "/v1/chat/completions"}, True),
        ({"path": "/v1beta"}, False),
        ({"path": "/"}, False),
        ({"host": "another.example.com"}, False),
        ({"namespace": "llm"}, False),
        ({"namespace": "llm", "name": "another"}, True),
    ],
)
def test_a_host_that_another_object_answers_for_is_a_warning(
    kind: dict[str, Any], changed: dict[str, str], warned: bool
) -> None:
    plan = exposed(kind)
    assert plan.ingress is not None
    of_another = ObservedRoute(
        kind="Ingress", namespace="prod", name="vllm", host="llm.example.com", path="/v1"
    )
    routes = [replace(of_another, **changed)] * 2
    found = list(host_warnings(plan.ingress, routes, names=plan.names))
    assert len(found) == warned
    assert not warned or f"Ingress {routes[0].namespace}/{routes[0].name} answers" in found[0]


def test_only_the_named_listener_counts() -> None:
    tls = {"kind": "controller"}
    named = {"name": "public", "namespace": "edge", "sectionName": "websecure"}
    assert warnings([HTTP, HTTPS], tls=tls, gateway=named) == []
    (warning,) = warnings([HTTP], tls=tls, gateway=named)
    assert "has no HTTPS listener of the name websecure" in warning


LOGIN = {"kind": "forwardAuth", "address": "https://login.example.com/verify"}


@pytest.mark.parametrize(
    ("ingress", "controller", "refused", "warned"),
    [
        ({"auth": LOGIN}, "traefik.io/ingress-controller", False, None),
        ({"auth": LOGIN}, "k8s.io/ingress-nginx", True, None),
        ({"auth": LOGIN}, "", True, None),
        ({"auth": LOGIN}, None, False, "there is no IngressClass traefik"),
        ({"auth": LOGIN, "className": "traefik-internal"}, "k8s.io/ingress-nginx", True, None),
        ({"auth": LOGIN, "controller": "traefik"}, "k8s.io/ingress-nginx", False, "is ignored"),
        ({"auth": LOGIN, "controller": "traefik"}, "traefik.io/ingress-controller", False, None),
        ({"auth": "apiKey"}, "k8s.io/ingress-nginx", False, None),
        ({}, "k8s.io/ingress-nginx", False, None),
    ],
)
def test_middlewares_need_a_class_that_traefik_answers_for(
    ingress: dict[str, Any], controller: str | None, refused: bool, warned: str | None
) -> None:
    found = exposed(ingress).ingress
    assert isinstance(found, IngressExposure)
    mistakes = list(class_mistakes(found, controller))
    assert [mistake.key for mistake in mistakes] == (["ingress.className"] if refused else [])
    warnings = list(class_warnings(found, controller))
    assert len(warnings) == (0 if warned is None else 1)
    assert warned is None or warned in warnings[0]
