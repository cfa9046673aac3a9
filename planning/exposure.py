"""The way in from outside: host, class, TLS and who may call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from planning.names import Names, Pairs
from settings.ingress import Ingress as IngressSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class MiddlewareReference:
    """A Middleware of Traefik that a request passes on its way to the server."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingress:
    """The way in from outside."""

    host: str
    class_name: str
    tls_secret: str | None
    annotations: Pairs
    auth_type: str
    middlewares: tuple[MiddlewareReference, ...] = ()

    @property
    def url(self) -> str:
        """Scheme and host that clients use."""
        return f"{'https' if self.tls_secret else 'http'}://{self.host}"


def plan_ingress(names: Names, asked: IngressSettings) -> Ingress | None:
    """Plan the way in, or none where it is disabled."""
    if not asked.enabled or asked.host is None:
        return None
    host = asked.host
    for placeholder, value in (
        ("{app}", names.app),
        ("{namespace}", names.namespace),
        ("{stack}", names.stack),
    ):
        host = host.replace(placeholder, value)
    return Ingress(
        host=host.lower(),
        class_name=asked.class_name,
        tls_secret=asked.tls.secret_name if asked.tls else None,
        annotations=tuple(sorted(asked.annotations.items())),
        auth_type=asked.auth,
    )


def ingress_warnings(asked: IngressSettings) -> Iterator[str]:
    """Warn where whoever finds the address may use it."""
    if asked.enabled and asked.auth == "none":
        yield (
            "ingress.auth: none, so whoever reaches the host can use the model; "
            "set ingress.enabled to false to keep it inside the cluster"
        )
