"""What a live cluster says about the way in from outside."""

from typing import Any

import pytest

from cluster.exposure import gateway_warnings
from cluster.observed import ObservedListener
from planning.exposure import GatewayExposure
from planning.plan import Plan
from tests.choices import planned, preset

HTTP = ObservedListener(name="web", protocol="HTTP")
HTTPS = ObservedListener(name="websecure", protocol="HTTPS")
GATEWAY = {"kind": "gateway", "gateway": {"name": "public", "namespace": "edge"}}


def exposed(ingress: dict[str, Any], **keys: Any) -> Plan:
    asked = {"enabled": True, "host": "llm.example.com"} | ingress
    return planned([preset("l4")], ingress=asked, **keys)


def warnings(listeners: list[ObservedListener] | None, **ingress: object) -> list[str]:
    found = exposed(GATEWAY | ingress).ingress
    assert isinstance(found, GatewayExposure)
    return list(gateway_warnings(found, listeners))


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


def test_only_the_named_listener_counts() -> None:
    tls = {"kind": "controller"}
    named = {"name": "public", "namespace": "edge", "sectionName": "websecure"}
    assert warnings([HTTP, HTTPS], tls=tls, gateway=named) == []
    (warning,) = warnings([HTTP], tls=tls, gateway=named)
    assert "has no HTTPS listener of the name websecure" in warning
