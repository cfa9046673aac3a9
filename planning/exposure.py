"""The way in from outside: its object, host, TLS and who may call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from planning.errors import PlanError
from planning.host import plan_host
from planning.names import PORT, Names, Pairs
from settings.ingress import ROUTER_ENTRY_POINTS, Controller
from settings.ingress import Gateway as GatewaySettings
from settings.ingress import Ingress as IngressSettings
from settings.ingress import Tls as TlsSettings
from settings.mistakes import Mistake
from settings.models import StackSettings

API_PATH = "/v1"
"""All that is reachable from outside: vLLM serves /health and /metrics beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MiddlewareReference:
    """A Middleware of Traefik that a request passes on its way to the server."""

    namespace: str
    name: str

    @property
    def written(self) -> str:
        """Both names as they are, which is how an HTTPRoute's filter looks for it."""
        return f"{self.namespace}-{self.name}"

    @property
    def traefik_id(self) -> str:
        """What Traefik keeps it under: each run of other characters than letters and digits is '-'.

        v3.7.9, pkg/provider/configuration.go (Normalize) and kubernetes/crd/kubernetes.go, whose
        FillExtensionBuilderRegistry alone leaves the names as they are.
        """
        return re.sub(r"[^A-Za-z0-9]+", "-", self.written)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretTls:
    """A certificate from a Secret in the app's namespace."""

    secret_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CertManagerTls:
    """A certificate that cert-manager requests and puts into a Secret."""

    issuer_kind: Literal["Issuer", "ClusterIssuer"]
    issuer: str
    secret_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerTls:
    """The certificate that the controller or the Gateway has by itself."""


Tls = SecretTls | CertManagerTls | ControllerTls


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """The Service that requests from outside go to."""

    namespace: str
    service: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayReference:
    """A Gateway that exists, or one listener of it."""

    namespace: str
    name: str
    section_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Route:
    """What every way in has."""

    host: str
    controller: Controller
    tls: Tls | None
    annotations: Pairs
    auth_type: str
    middlewares: tuple[MiddlewareReference, ...]
    backend: Backend

    @property
    def url(self) -> str:
        """Scheme and host that clients use."""
        return f"{'https' if self.tls else 'http'}://{self.host}"


@dataclass(frozen=True, slots=True, kw_only=True)
class IngressExposure(_Route):
    """An Ingress; `controller_is_configured` where the stack, not its class's name, names it."""

    class_name: str
    controller_is_configured: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayExposure(_Route):
    """An HTTPRoute of the Gateway API; its middlewares are in the app's namespace."""

    gateway: GatewayReference
    tls: ControllerTls | None


Exposure = IngressExposure | GatewayExposure


def plan_exposure(
    names: Names, settings: StackSettings, middlewares: tuple[MiddlewareReference, ...] = ()
) -> Exposure | None:
    """Plan the way in, or none where it is disabled.

    Args:
        names: of the app, for the host and what the way leads to.
        settings: the checked stack config.
        middlewares: what a request passes, in this order.

    Raises:
        PlanError: the host is no DNS name, or a middleware cannot be reached.
    """
    asked = settings.ingress
    if not asked.enabled or asked.host_template is None:
        return None
    host = plan_host(names, asked.host_template, domain=asked.domain)
    if asked.kind == "gateway" and asked.gateway is not None:
        _refuse_unreachable(names, middlewares)
        return _of_gateway(names, settings, asked.gateway, host, middlewares)
    return IngressExposure(
        host=host,
        class_name=asked.class_name,
        controller_is_configured=asked.controller is not None,
        controller=asked.answered_by,
        tls=_tls(names, asked.tls) if asked.tls else None,
        annotations=tuple(sorted(asked.annotations.items())),
        auth_type=asked.auth.kind,
        middlewares=middlewares,
        backend=_backend(names, settings, through_alias=True),
    )


def _of_gateway(
    names: Names,
    settings: StackSettings,
    gateway: GatewaySettings,
    host: str,
    middlewares: tuple[MiddlewareReference, ...],
) -> GatewayExposure:
    asked = settings.ingress
    return GatewayExposure(
        host=host,
        gateway=GatewayReference(
            namespace=gateway.namespace or names.namespace,
            name=gateway.name,
            section_name=gateway.section_name,
        ),
        controller=asked.answered_by,
        tls=ControllerTls() if asked.tls else None,
        annotations=tuple(sorted(asked.annotations.items())),
        auth_type=asked.auth.kind,
        middlewares=middlewares,
        backend=_backend(names, settings, through_alias=False),
    )


def _tls(names: Names, asked: TlsSettings) -> Tls:
    issuer = asked.issuer or asked.cluster_issuer
    match asked.kind, issuer, asked.secret_name:
        case "secret", _, str(secret_name):
            return SecretTls(secret_name=secret_name)
        case "certManager", str(issuer), secret_name:
            return CertManagerTls(
                issuer_kind="Issuer" if asked.issuer else "ClusterIssuer",
                issuer=issuer,
                secret_name=secret_name or f"{names.app}-tls",
            )
        case _:
            return ControllerTls()


def _backend(names: Names, settings: StackSettings, *, through_alias: bool) -> Backend:
    if not settings.autoscaling.enabled:
        return Backend(namespace=names.namespace, service=names.server, port=PORT)
    interceptor = settings.autoscaling.interceptor
    if through_alias:
        # An Ingress leads to its own namespace only.
        return Backend(
            namespace=names.namespace, service=names.interceptor, port=interceptor.proxy_port
        )
    # A Gateway leads to no ExternalName Service (CVE-2021-25740; gateway-api v1.4.1,
    # apis/v1/object_reference_types.go), but to another namespace that grants it.
    return Backend(
        namespace=interceptor.namespace,
        service=interceptor.proxy_service,
        port=interceptor.proxy_port,
    )


def _refuse_unreachable(names: Names, middlewares: tuple[MiddlewareReference, ...]) -> None:
    away = [each for each in middlewares if each.namespace != names.namespace]
    renamed = [each for each in middlewares if each.traefik_id != each.written]
    mistakes = [*(_away(names, each) for each in away), *(_renamed(each) for each in renamed)]
    if mistakes:
        raise PlanError(*mistakes)


def _away(names: Names, middleware: MiddlewareReference) -> Mistake:
    return Mistake(
        key="ingress.auth",
        wrong=f"the Middleware '{middleware.name}' is in the namespace {middleware.namespace}",
        rule="an HTTPRoute reaches those of its own namespace alone",
        remedy=f"put one into the namespace {names.namespace}, or set ingress.kind to ingress",
    )


def _renamed(middleware: MiddlewareReference) -> Mistake:
    return Mistake(
        key="ingress.auth",
        wrong=f"no HTTPRoute finds the Middleware '{middleware.name}' of the namespace "
        f"{middleware.namespace}, which Traefik keeps as {middleware.traefik_id}",
        rule="for an HTTPRoute, Traefik looks for both names as they are, joined by '-'",
        remedy="take names without a dot or '--' (of the Middleware, or `name` and "
        "namespace.name), or set ingress.kind to ingress",
    )


def ingress_line(exposure: Exposure | None) -> str:
    """Describe in one line how requests from outside arrive, for the preview."""
    match exposure:
        case None:
            return "ingress: none; reachable only from inside the cluster"
        case IngressExposure(class_name=class_name):
            by = f"Ingress of class {class_name}"
        case GatewayExposure(gateway=gateway):
            listener = f", listener {gateway.section_name}" if gateway.section_name else ""
            by = f"HTTPRoute of Gateway {gateway.namespace}/{gateway.name}{listener}"
    return (
        f"ingress: {exposure.url}{API_PATH} by {by}; TLS: {_certificate(exposure.tls)}; "
        f"authentication: {exposure.auth_type}"
    )


def _certificate(tls: Tls | None) -> str:
    match tls:
        case None:
            return "none"
        case SecretTls(secret_name=secret_name):
            return f"Secret {secret_name}"
        case CertManagerTls(issuer_kind=kind, issuer=issuer):
            return f"cert-manager's {kind} {issuer}"
        case ControllerTls():
            return "the controller's certificate"


def ingress_warnings(asked: IngressSettings) -> Iterator[str]:
    """Warn where the endpoint is open to anyone, or credentials travel unencrypted."""
    if asked.enabled and asked.auth.kind == "none":
        yield (
            "ingress.auth: none, so anyone who reaches the host can use the model; set it to "
            "apiKey, or set ingress.enabled to false and list the allowed callers in "
            "network.clients"
        )
    elif asked.enabled and asked.tls is None:
        yield (
            f"ingress.tls: none, so the credentials of ingress.auth {asked.auth.kind} travel "
            "unencrypted to the controller; set it, unless TLS ends before that"
        )
    if asked.enabled and asked.kind == "ingress":
        yield from _entry_point_warnings(asked)


def _entry_point_warnings(asked: IngressSettings) -> Iterator[str]:
    if ROUTER_ENTRY_POINTS not in {key.lower() for key in asked.annotations}:
        return
    expected = "https on port 443" if asked.tls else "http on port 80"
    yield (
        f"ingress.annotations: {ROUTER_ENTRY_POINTS} chooses by which scheme and on which port "
        f"Traefik answers, while the address of the stack says {expected}; check that the entry "
        "point serves that, or remove it"
    )
