"""What the cluster holds, or does not yet, of what the way in from outside names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lightkube import Client

from cluster.observed import (
    ObservedListener,
    has_issuer,
    read_class_controller,
    read_listeners,
)
from cluster.observed_routes import ObservedRoute, read_routes
from planning.exposure import (
    API_PATH,
    CertManagerTls,
    Exposure,
    GatewayExposure,
    IngressExposure,
)
from planning.names import Names
from planning.plan import Plan
from settings.mistakes import Mistake

TRAEFIK = "traefik.io/ingress-controller"
"""The controller of every IngressClass that Traefik answers for (v3.7.9, kubernetes/ingress)."""


def exposure_warnings(plan: Plan, client: Client) -> list[str]:
    """Warn where the ingress names what is not there yet: it works once it is."""
    exposure, warnings = plan.ingress, list[str]()
    match exposure:
        case None:
            return warnings
        case IngressExposure():
            warnings += _issuer_warnings(plan, client)
        case GatewayExposure(gateway=gateway):
            found = read_listeners(client, gateway.namespace, gateway.name)
            warnings += gateway_warnings(exposure, found, namespace=plan.names.namespace)
    return [*warnings, *host_warnings(exposure, read_routes(client), names=plan.names)]


def class_findings(plan: Plan, client: Client) -> tuple[list[Mistake], list[str]]:
    """Refuse middlewares in front of an ingress class that is not Traefik's, and warn of others."""
    exposure = plan.ingress
    if not isinstance(exposure, IngressExposure):
        return [], []
    controller = read_class_controller(client, exposure.class_name)
    return list(class_mistakes(exposure, controller)), list(class_warnings(exposure, controller))


def class_mistakes(exposure: IngressExposure, controller: str | None) -> Iterator[Mistake]:
    """Refuse a class by whose name alone Traefik was expected, and which another answers for.

    Args:
        exposure: the planned ingress.
        controller: of its IngressClass; None where there is no such class.
    """
    if _ignores_middlewares(exposure, controller) and not exposure.controller_is_configured:
        yield Mistake(
            key="ingress.className",
            wrong=f"{exposure.class_name} is a class of {controller or 'no controller'}, and "
            f"ingress.auth {exposure.auth_type} is a Middleware of Traefik",
            rule="another controller ignores it and lets everybody in",
            remedy=f"name a class of {TRAEFIK}, or set ingress.auth to apiKey; if Traefik does "
            "answer, set ingress.controller to traefik",
        )


def class_warnings(exposure: IngressExposure, controller: str | None) -> Iterator[str]:
    """Warn of a class that is not there, or that the stack alone says is Traefik's.

    Args:
        exposure: the planned ingress.
        controller: of its IngressClass; None where there is no such class.
    """
    if controller is None:
        yield _nobody(
            "ingress.className", f"there is no IngressClass {exposure.class_name}", exposure
        )
    elif _ignores_middlewares(exposure, controller) and exposure.controller_is_configured:
        yield (
            f"ingress.controller: traefik, but the IngressClass {exposure.class_name} is one of "
            f"{controller or 'no controller'}; unless Traefik does answer, ingress.auth "
            f"{exposure.auth_type} is ignored and everybody may call; check it with a request "
            "without a credential"
        )


def _ignores_middlewares(exposure: IngressExposure, controller: str | None) -> bool:
    return bool(exposure.middlewares) and controller not in {None, TRAEFIK}


def host_warnings(
    exposure: Exposure, routes: Iterable[ObservedRoute], *, names: Names
) -> Iterator[str]:
    """Warn where somebody else's object answers for the same host and API.

    Args:
        exposure: the planned ingress.
        routes: what every object of the cluster answers for.
        names: of the app, whose own objects may.
    """
    others = {
        f"{route.kind} {route.namespace}/{route.name}"
        for route in routes
        if route.host == exposure.host
        and f"{route.path.rstrip('/')}/".startswith(f"{API_PATH}/")
        and (route.namespace, route.name) != (names.namespace, names.app)
    }
    if others:
        yield (
            f"ingress.host: {' and '.join(sorted(others))} answers for {exposure.host}{API_PATH} "
            "too, so that requests may go to either; set another host, unless that is meant"
        )


def gateway_warnings(
    exposure: GatewayExposure, listeners: Sequence[ObservedListener] | None, *, namespace: str
) -> Iterator[str]:
    """Warn where a Gateway has no listener for the address, or one in clear beside it.

    Args:
        exposure: the route.
        listeners: those of its Gateway; None where it does not exist.
        namespace: that of the route.
    """
    gateway = exposure.gateway
    where = f"{gateway.namespace}/{gateway.name}"
    if listeners is None:
        yield _nobody("ingress.gateway", f"there is no Gateway {where}", exposure)
        return
    if gateway.section_name is not None:
        listeners = [each for each in listeners if each.name == gateway.section_name]
    wanted = "HTTPS" if exposure.tls else "HTTP"
    lacking = _lacking(exposure, [each for each in listeners if each.protocol == wanted], namespace)
    if lacking is not None:
        named = f" of the name {gateway.section_name}" if gateway.section_name else ""
        absent = f"the Gateway {where} has no {wanted} listener{named}{lacking}"
        yield _nobody("ingress.gateway", absent, exposure)
    elif exposure.tls and "HTTP" in {each.protocol for each in listeners}:
        yield (
            f"ingress.gateway: the Gateway {where} listens on HTTP too, so requests and keys may "
            "come in clear; name its HTTPS listener in ingress.gateway.sectionName"
        )


def _lacking(
    exposure: GatewayExposure, listeners: Sequence[ObservedListener], namespace: str
) -> str | None:
    """What no listener of the wanted protocol has; None where one takes the route."""
    if not listeners:
        return ""
    own = namespace == exposure.gateway.namespace
    # Whether a selector matches the labels of a namespace that is not there yet, nobody knows.
    admitting = [each for each in listeners if own or each.routes_from not in {"Same", "None"}]
    if not admitting:
        return f" that admits routes of the namespace {namespace} (allowedRoutes)"
    if not any(_is_for(each.hostname, exposure.host) for each in admitting):
        return f" for {exposure.host} that admits routes of the namespace {namespace}"
    return None


def _is_for(hostname: str | None, host: str) -> bool:
    """Whether a listener takes a host; a wildcard stands for one label or more (gateway-api v1)."""
    if hostname and hostname.startswith("*."):
        return host.endswith(hostname[1:]) and host != hostname[1:]
    return not hostname or hostname == host


def _issuer_warnings(plan: Plan, client: Client) -> Iterator[str]:
    if plan.ingress is None or not isinstance(plan.ingress.tls, CertManagerTls):
        return
    tls = plan.ingress.tls
    namespace = plan.names.namespace if tls.issuer_kind == "Issuer" else None
    if not has_issuer(client, namespace, tls.issuer):
        where = f" in namespace {namespace}" if namespace else ""
        yield (
            f"ingress.tls: there is no {tls.issuer_kind} {tls.issuer}{where}; until there is, "
            f"the certificate of {plan.ingress.host} is none that clients trust"
        )


def _nobody(key: str, absent: str, exposure: Exposure) -> str:
    return f"{key}: {absent}; until there is one, nobody answers at {exposure.url}"
