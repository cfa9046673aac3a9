"""The Ingress in front of the server, or of the interceptor that counts requests."""

from __future__ import annotations

from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.networking.v1 import (
    HTTPIngressPathArgs,
    HTTPIngressRuleValueArgs,
    IngressBackendArgs,
    IngressInitArgs,
    IngressRuleArgs,
    IngressServiceBackendArgs,
    IngressSpecArgs,
    IngressTLSArgs,
    ServiceBackendPortArgs,
)

from manifests.metadata import object_labels
from planning.exposure import (
    API_PATH,
    Backend,
    CertManagerTls,
    ControllerTls,
    IngressExposure,
    SecretTls,
)
from planning.plan import Plan

_ROUTER = "traefik.ingress.kubernetes.io/router"
MIDDLEWARES = f"{_ROUTER}.middlewares"


def exposure_metadata(
    plan: Plan, annotations: dict[str, str] | None = None, *, namespace: str | None = None
) -> ObjectMetaArgs:
    """Metadata of an object of the way in, which lies in the app's namespace unless told."""
    names = plan.names
    return ObjectMetaArgs(
        # Neither part has a dot, so that no two apps share a name in another namespace.
        name=f"{names.namespace}.{names.app}" if namespace else names.app,
        namespace=namespace or names.namespace,
        labels=object_labels(plan, "ingress"),
        annotations=annotations or None,
    )


def ingress_args(plan: Plan, exposure: IngressExposure) -> IngressInitArgs:
    """Lead the API's path of the host to the planned backend, by TLS where it is planned."""
    return IngressInitArgs(
        metadata=exposure_metadata(plan, _annotations(exposure)),
        spec=IngressSpecArgs(
            ingress_class_name=exposure.class_name,
            rules=[IngressRuleArgs(host=exposure.host, http=_paths(exposure.backend))],
            tls=_tls(exposure),
        ),
    )


def _annotations(exposure: IngressExposure) -> dict[str, str]:
    asked = dict(exposure.annotations)
    # Not every controller writes an address, and no output waits for one (pulumi-kubernetes#268).
    written = {"pulumi.com/skipAwait": "true", **asked}
    match exposure.tls:
        case CertManagerTls(issuer_kind="Issuer", issuer=issuer):
            written["cert-manager.io/issuer"] = issuer
        case CertManagerTls(issuer=issuer):
            written["cert-manager.io/cluster-issuer"] = issuer
        case _:
            pass
    if exposure.controller == "traefik" and exposure.tls is not None:
        # Without it, Traefik's router answers on plain HTTP too: `spec.tls` only loads the
        # certificate (v3.7.9, pkg/provider/kubernetes/ingress/kubernetes.go, loadRouter).
        written[f"{_ROUTER}.tls"] = "true"
    if exposure.middlewares:
        named = [f"{each.traefik_id}@kubernetescrd" for each in exposure.middlewares]
        # Traefik reads its annotations in any case, and of two spellings one: ours would be gone.
        own = [written.pop(key) for key in asked if key.lower() == MIDDLEWARES]
        written[MIDDLEWARES] = ",".join([*named, *own])
    return written


def _tls(exposure: IngressExposure) -> list[IngressTLSArgs] | None:
    match exposure.tls:
        case None:
            return None
        case SecretTls(secret_name=secret_name) | CertManagerTls(secret_name=secret_name):
            return [IngressTLSArgs(hosts=[exposure.host], secret_name=secret_name)]
        case ControllerTls():
            return [IngressTLSArgs(hosts=[exposure.host])]


def _paths(backend: Backend) -> HTTPIngressRuleValueArgs:
    # Only the API: /health and /metrics are nobody's business outside.
    service = IngressServiceBackendArgs(
        name=backend.service, port=ServiceBackendPortArgs(number=backend.port)
    )
    return HTTPIngressRuleValueArgs(
        paths=[
            HTTPIngressPathArgs(
                path=API_PATH, path_type="Prefix", backend=IngressBackendArgs(service=service)
            )
        ]
    )
