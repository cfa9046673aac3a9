"""What the cluster holds, or does not yet, of what the way in from outside names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lightkube import Client

from cluster.observed import ObservedListener, has_ingress_class, has_issuer, read_listeners
from planning.exposure import CertManagerTls, Exposure, GatewayExposure, IngressExposure
from planning.plan import Plan


def exposure_warnings(plan: Plan, client: Client) -> list[str]:
    """Warn where the way in names what is not there yet: it works once it is."""
    match plan.ingress:
        case None:
            return []
        case IngressExposure():
            return [*_class_warnings(plan.ingress, client), *_issuer_warnings(plan, client)]
        case GatewayExposure(gateway=gateway):
            found = read_listeners(client, gateway.namespace, gateway.name)
            return list(gateway_warnings(plan.ingress, found))


def gateway_warnings(
    exposure: GatewayExposure, listeners: Sequence[ObservedListener] | None
) -> Iterator[str]:
    """Warn where a Gateway has no listener for the address, or one in clear beside it.

    Args:
        exposure: the route.
        listeners: those of its Gateway; None where it does not exist.
    """
    gateway = exposure.gateway
    where = f"{gateway.namespace}/{gateway.name}"
    if listeners is None:
        yield _nobody("ingress.gateway", f"there is no Gateway {where}", exposure)
        return
    if gateway.section_name is not None:
        listeners = [each for each in listeners if each.name == gateway.section_name]
    protocols = {each.protocol for each in listeners}
    wanted = "HTTPS" if exposure.tls else "HTTP"
    if wanted not in protocols:
        named = f" of the name {gateway.section_name}" if gateway.section_name else ""
        lacking = f"the Gateway {where} has no {wanted} listener{named}"
        yield _nobody("ingress.gateway", lacking, exposure)
    elif exposure.tls and "HTTP" in protocols:
        yield (
            f"ingress.gateway: the Gateway {where} listens on HTTP too, so requests and keys may "
            "come in clear; name its HTTPS listener in ingress.gateway.sectionName"
        )


def _class_warnings(exposure: IngressExposure, client: Client) -> Iterator[str]:
    if not has_ingress_class(client, exposure.class_name):
        absent = f"there is no IngressClass {exposure.class_name}"
        yield _nobody("ingress.className", absent, exposure)


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
