"""The HTTPRoute of a Gateway, and the grant that lets it lead to the interceptor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from manifests.ingress import exposure_metadata
from planning.exposure import API_PATH, GatewayExposure, MiddlewareReference
from planning.plan import Plan

_GROUP = "gateway.networking.k8s.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayResource:
    """A custom resource of the Gateway API."""

    role: str
    api_version: str
    kind: str
    metadata: ObjectMetaArgs
    spec: dict[str, Any]


def gateway_resources(plan: Plan, exposure: GatewayExposure) -> tuple[GatewayResource, ...]:
    """Build the route, after the grant where it leads to another namespace."""
    if exposure.backend.namespace == plan.names.namespace:
        return (_route(plan, exposure),)
    return _grant(plan, exposure), _route(plan, exposure)


def gateway_duration(seconds: int) -> str:
    """Write seconds as the Gateway API prints a duration, such as 30m or 1h5s.

    Source: GEP-2257, which has no unit above the hour and leaves out those that are zero.
    """
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


def _route(plan: Plan, exposure: GatewayExposure) -> GatewayResource:
    # What the API server would add is written out, since another spelling would be a difference.
    gateway, backend = exposure.gateway, exposure.backend
    longest = gateway_duration(_longest_seconds(plan))
    parent = {
        "group": _GROUP,
        "kind": "Gateway",
        "namespace": gateway.namespace,
        "name": gateway.name,
    }
    if gateway.section_name:
        parent["sectionName"] = gateway.section_name
    service = {
        "group": "",
        "kind": "Service",
        "namespace": backend.namespace,
        "name": backend.service,
        "port": backend.port,
        "weight": 1,
    }
    rule: dict[str, Any] = {
        # Only the API: /health and /metrics are nobody's business outside.
        "matches": [{"path": {"type": "PathPrefix", "value": API_PATH}}],
        "timeouts": {"request": longest, "backendRequest": longest},
        "backendRefs": [service],
    }
    if exposure.middlewares:
        rule["filters"] = [_filter(each) for each in exposure.middlewares]
    return GatewayResource(
        role="route",
        api_version=f"{_GROUP}/v1",
        kind="HTTPRoute",
        metadata=exposure_metadata(plan, dict(exposure.annotations)),
        spec={"parentRefs": [parent], "hostnames": [exposure.host], "rules": [rule]},
    )


def _longest_seconds(plan: Plan) -> int:
    """Seconds of the longest answer, after the wait for a first pod where there may be none."""
    return plan.request_seconds + (plan.scaling.cold_start.wait_seconds if plan.scaling else 0)


def _filter(middleware: MiddlewareReference) -> dict[str, Any]:
    reference = {"group": "traefik.io", "kind": "Middleware", "name": middleware.name}
    return {"type": "ExtensionRef", "extensionRef": reference}


def _grant(plan: Plan, exposure: GatewayExposure) -> GatewayResource:
    backend = exposure.backend
    return GatewayResource(
        role="grant",
        # v1 is there from Gateway API v1.5 only.
        api_version=f"{_GROUP}/v1beta1",
        kind="ReferenceGrant",
        metadata=exposure_metadata(plan, namespace=backend.namespace),
        spec={
            "from": [{"group": _GROUP, "kind": "HTTPRoute", "namespace": plan.names.namespace}],
            "to": [{"group": "", "kind": "Service", "name": backend.service}],
        },
    )
