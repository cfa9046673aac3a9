"""The way in from outside: the keys of `ingress`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from settings.auth import Auth, kind_alone
from settings.mistakes import Mistake
from settings.values import DnsLabel, DnsSubdomain, Section, Text

Controller = Literal["traefik", "other"]

ROUTER_TLS = "traefik.ingress.kubernetes.io/router.tls"
"""Traefik's annotation for a router that answers on TLS alone, and how its options begin, each of
which alone does the same (v3.7.9, pkg/provider/kubernetes/ingress/annotations.go)."""

ROUTER_ENTRY_POINTS = "traefik.ingress.kubernetes.io/router.entrypoints"
"""Traefik's annotation for the ports that a router answers on, which may have TLS by themselves."""


class Tls(Section):
    """Who holds the certificate; without this section, plain HTTP."""

    kind: Literal["secret", "certManager", "controller"] = Field(
        default="secret",
        description="who holds the certificate; without `tls`, plain HTTP",
    )
    secret_name: DnsSubdomain | None = Field(
        default=None,
        description="`secret`: with the certificate, in the app's namespace; `certManager`: where "
        "it goes; default: `{name}-tls` with `certManager`",
    )
    issuer: DnsSubdomain | None = Field(
        default=None, description="`certManager`: an Issuer in the app's namespace"
    )
    cluster_issuer: DnsSubdomain | None = Field(
        default=None, description="`certManager`: a ClusterIssuer"
    )


class Gateway(Section):
    """A Gateway that exists."""

    name: DnsSubdomain = Field(description="`gateway`: a Gateway that exists")
    namespace: DnsLabel | None = Field(
        default=None, description="`gateway`: where it is; default: the app's namespace"
    )
    section_name: DnsSubdomain | None = Field(
        default=None, description="`gateway`: one listener of it; default: each that fits"
    )


class Ingress(Section):
    """The way in from outside the cluster."""

    enabled: bool = Field(default=True, description="an address from outside the cluster")
    kind: Literal["ingress", "gateway"] = Field(
        default="ingress", description="an Ingress, or an HTTPRoute of the Gateway API"
    )
    host: str | None = Field(
        default=None,
        description="may hold `{app}`, `{namespace}`, `{stack}` and `{domain}`; "
        "default: `{app}.{namespace}.{domain}`, where `domain` is set",
    )
    domain: str | None = Field(default=None, description="what `{domain}` stands for")
    class_name: DnsSubdomain = Field(default="traefik", description="`ingress`: its class")
    controller: Controller | None = Field(
        default=None,
        description="what answers for the class or the Gateway; default: `traefik` for a class "
        "whose name starts so, else `other`",
    )
    gateway: Gateway | None = None
    tls: Tls | None = None
    auth: Annotated[Auth, BeforeValidator(kind_alone)] = Auth()
    annotations: dict[str, Text] = Field(
        default={}, description="added to the Ingress or the HTTPRoute"
    )

    @property
    def answered_by(self) -> Controller:
        """What answers for the class or the Gateway, which decides what it can be told."""
        if self.controller is not None:
            return self.controller
        known = self.kind == "ingress" and self.class_name.startswith("traefik")
        return "traefik" if known else "other"

    @property
    def host_template(self) -> str | None:
        """The host with its placeholders; None where it is missing."""
        return self.host or ("{app}.{namespace}.{domain}" if self.domain else None)


_ISSUER_ANNOTATIONS = frozenset({"cert-manager.io/issuer", "cert-manager.io/cluster-issuer"})
"""Annotations that the kind `certManager` writes."""


def ingress_mistakes(ingress: Ingress) -> Iterator[Mistake]:
    """Find what contradicts itself among the keys of `ingress`."""
    if not ingress.enabled:
        return
    yield from _host_mistakes(ingress)
    yield from _kind_mistakes(ingress)
    if ingress.tls:
        yield from _tls_mistakes(ingress.tls)
    yield from _annotation_mistakes(ingress)


def _annotation_mistakes(ingress: Ingress) -> Iterator[Mistake]:
    for key in ingress.annotations:
        kind = _kind_of_tls(key, encrypted=ingress.tls is not None)
        if kind is not None:
            yield Mistake(
                key="ingress.annotations",
                wrong=f"hold {key}",
                rule="the scheme of the address that the stack puts out follows ingress.tls",
                remedy=f"remove it, and set ingress.tls.kind to {kind}",
            )


def _kind_of_tls(annotation: str, *, encrypted: bool) -> str | None:
    """Give the kind of `tls` that stands for an annotation; None where it changes no scheme."""
    # Traefik reads its annotations in any case (traefik/paerser v0.2.2, parser/labels_decode.go).
    folded = annotation.lower()
    if folded == ROUTER_TLS or (folded.startswith(ROUTER_TLS) and not encrypted):
        return "controller"
    return "certManager" if annotation in _ISSUER_ANNOTATIONS else None


def _host_mistakes(ingress: Ingress) -> Iterator[Mistake]:
    if ingress.host_template is None:
        yield Mistake(
            key="ingress.host",
            wrong="is missing",
            rule="an ingress answers on a host of its own",
            remedy="set it (it may hold {app}, {namespace} and {stack}), or ingress.domain, "
            "or ingress.enabled to false",
        )
    elif "{domain}" in ingress.host_template and not ingress.domain:
        yield Mistake(
            key="ingress.domain",
            wrong="is missing",
            rule="ingress.host holds {domain}, which it stands for",
            remedy="set it, such as example.com",
        )


def _kind_mistakes(ingress: Ingress) -> Iterator[Mistake]:
    if ingress.kind == "gateway":
        if ingress.gateway is None:
            yield Mistake(
                key="ingress.gateway",
                wrong="is missing",
                rule="the kind 'gateway' is a route of a Gateway that exists",
                remedy="name it: {name, namespace}, and sectionName for one of its listeners",
            )
        if ingress.tls and ingress.tls.kind != "controller":
            yield Mistake(
                key="ingress.tls.kind",
                wrong=f"{ingress.tls.kind!r} is refused with ingress.kind gateway",
                rule="the certificate belongs to a listener of the Gateway, not to the route",
                remedy="set it to controller, and put the certificate into the Gateway",
            )
    elif ingress.gateway is not None:
        yield Mistake(
            key="ingress.gateway",
            wrong="is set beside ingress.kind ingress",
            rule="an Ingress has a class, an HTTPRoute a Gateway",
            remedy="remove it, or set ingress.kind to gateway",
        )
    if ingress.kind == "gateway" and "class_name" in ingress.model_fields_set:
        yield Mistake(
            key="ingress.className",
            wrong="is set beside ingress.kind gateway",
            rule="an Ingress has a class, an HTTPRoute a Gateway",
            remedy="remove it, or set ingress.kind to ingress",
        )


_TAKES: dict[str, tuple[str, ...]] = {
    "secret": ("secret_name",),
    "certManager": ("secret_name", "issuer", "cluster_issuer"),
    "controller": (),
}
"""Fields beside `kind`, by kind of TLS."""


def _tls_mistakes(tls: Tls) -> Iterator[Mistake]:
    for field in sorted(tls.model_fields_set - {"kind", *_TAKES[tls.kind]}):
        owners = [kind for kind, fields in _TAKES.items() if field in fields]
        yield Mistake(
            key=f"ingress.tls.{Tls.model_fields[field].alias}",
            wrong=f"is no key of the kind '{tls.kind}'",
            rule=f"it belongs to {' and '.join(owners)}",
            remedy=f"remove it, or set ingress.tls.kind to {' or '.join(owners)}",
        )
    if tls.kind == "secret" and tls.secret_name is None:
        yield Mistake(
            key="ingress.tls.secretName",
            wrong="is missing",
            rule="the kind 'secret' takes the certificate from a Secret in the app's namespace",
            remedy="name it, or set ingress.tls.kind to certManager or controller",
        )
    if tls.kind == "certManager" and (tls.issuer is None) == (tls.cluster_issuer is None):
        both = tls.issuer is not None
        yield Mistake(
            key="ingress.tls.issuer",
            wrong="is set beside clusterIssuer" if both else "is missing, and so is clusterIssuer",
            rule="one issuer signs the certificate",
            remedy="remove one of the two" if both else "name one of the two",
        )
