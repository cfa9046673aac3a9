"""What a cluster must serve for the objects of a plan; autoscaling has its own in `scaling`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lightkube import Client

from cluster.exposure import read_class_mistakes
from cluster.observed import serves
from planning.auth import ApiKeyAuth, NoAuth
from planning.exposure import CertManagerTls, GatewayExposure, IngressExposure
from planning.plan import Plan
from settings.mistakes import Mistake


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A CustomResourceDefinition, what in the stack config asks for it, and the ways out."""

    name: str
    key: str
    asked: str
    rule: str
    remedy: str


_HTTP_ROUTES, _REFERENCE_GRANTS = (
    Definition(
        name=name,
        key="ingress.kind",
        asked="gateway is set",
        rule="an HTTPRoute and its grant are resources of the Gateway API",
        remedy="install its standard channel (gateway-api.sigs.k8s.io), or set ingress.kind to "
        "ingress",
    )
    for name in (
        "httproutes.gateway.networking.k8s.io",
        "referencegrants.gateway.networking.k8s.io",
    )
)
_CERTIFICATES = Definition(
    name="certificates.cert-manager.io",
    key="ingress.tls.kind",
    asked="certManager is set",
    rule="cert-manager requests the certificate",
    remedy="install it (Helm chart jetstack/cert-manager), or take the certificate from "
    "a Secret (ingress.tls.secretName)",
)
_MIDDLEWARES = Definition(
    name="middlewares.traefik.io",
    key="ingress.auth",
    asked="is set",
    rule="every kind but apiKey is a Middleware of Traefik",
    remedy="install Traefik with its definitions (Helm chart traefik/traefik), or set "
    "ingress.auth to apiKey",
)
_EXTERNAL_SECRETS = Definition(
    name="externalsecrets.external-secrets.io",
    key="huggingFaceTokenExternal",
    asked="is set",
    rule="the External Secrets Operator copies the token",
    remedy="install it (Helm chart external-secrets/external-secrets), or name a Secret in "
    "huggingFaceTokenSecret",
)


def _leader_worker_sets(nodes: int) -> Definition:
    return Definition(
        name="leaderworkersets.leaderworkerset.x-k8s.io",
        key="multiNode.maxNodes",
        asked=f"the model needs {nodes} nodes",
        rule="the pods of several nodes are a LeaderWorkerSet",
        remedy="install LeaderWorkerSet (its release holds manifests.yaml), or choose a preset "
        "or a quantised model that fits one node",
    )


def definition_mistakes(plan: Plan, client: Client) -> list[Mistake]:
    """Refuse a plan with objects that the cluster does not know, or that nobody there obeys."""
    unknown = [
        missing(definition)
        for definition in needed_definitions(plan)
        if not serves(client, definition.name)
    ]
    return [*unknown, *read_class_mistakes(plan, client)]


def needed_definitions(plan: Plan) -> Iterator[Definition]:
    """Pick what the way in, authentication, the token and several nodes need."""
    match plan.ingress:
        case GatewayExposure(backend=backend):
            yield _HTTP_ROUTES
            if backend.namespace != plan.names.namespace:
                yield _REFERENCE_GRANTS
        case IngressExposure(tls=CertManagerTls()):
            yield _CERTIFICATES
        case _:
            pass
    if not isinstance(plan.auth, NoAuth | ApiKeyAuth):
        yield _MIDDLEWARES
    if plan.token is not None and plan.token.external is not None:
        yield _EXTERNAL_SECRETS
    if plan.placement.nodes > 1:
        yield _leader_worker_sets(plan.placement.nodes)


def missing(definition: Definition) -> Mistake:
    """Say that the cluster lacks a definition, and what to do."""
    return Mistake(
        key=definition.key,
        wrong=f"{definition.asked}, and the cluster does not serve {definition.name}",
        rule=definition.rule,
        remedy=definition.remedy,
    )
