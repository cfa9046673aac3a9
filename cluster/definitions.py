"""What a cluster must serve for the objects of a plan; autoscaling has its own in `scaling`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lightkube import Client

from cluster.observed_kinds import read_kind
from planning.auth import ApiKeyAuth, NoAuth
from planning.exposure import CertManagerTls, GatewayExposure, IngressExposure
from planning.plan import Plan
from settings.mistakes import Mistake


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A CustomResourceDefinition, what in the stack config asks for it, and the ways out.

    `version` is that of the objects which the program makes.
    """

    name: str
    version: str
    key: str
    asked: str
    rule: str
    remedy: str


_HTTP_ROUTES, _REFERENCE_GRANTS = (
    Definition(
        name=name,
        version=version,
        key="ingress.kind",
        asked="gateway is set",
        rule="an HTTPRoute and its grant are resources of the Gateway API",
        remedy="install its standard channel (gateway-api.sigs.k8s.io), or set ingress.kind to "
        "ingress",
    )
    for name, version in (
        ("httproutes.gateway.networking.k8s.io", "v1"),
        ("referencegrants.gateway.networking.k8s.io", "v1beta1"),
    )
)
_CERTIFICATES = Definition(
    name="certificates.cert-manager.io",
    version="v1",
    key="ingress.tls.kind",
    asked="certManager is set",
    rule="cert-manager requests the certificate",
    remedy="install it (Helm chart jetstack/cert-manager), or take the certificate from "
    "a Secret (ingress.tls.secretName)",
)
_MIDDLEWARES = Definition(
    name="middlewares.traefik.io",
    version="v1alpha1",
    key="ingress.auth",
    asked="is set",
    rule="every kind but apiKey is a Middleware of Traefik",
    remedy="install Traefik with its definitions (Helm chart traefik/traefik), or set "
    "ingress.auth to apiKey",
)
_EXTERNAL_SECRETS = Definition(
    name="externalsecrets.external-secrets.io",
    version="v1",
    key="huggingFaceTokenExternal",
    asked="is set",
    rule="the External Secrets Operator copies the token",
    remedy="install it (Helm chart external-secrets/external-secrets), or name a Secret in "
    "huggingFaceTokenSecret",
)


def _leader_worker_sets(nodes: int) -> Definition:
    return Definition(
        name="leaderworkersets.leaderworkerset.x-k8s.io",
        version="v1",
        key="multiNode.maxNodes",
        asked=f"the model needs {nodes} nodes",
        rule="the pods of several nodes are a LeaderWorkerSet",
        remedy="install LeaderWorkerSet (its release holds manifests.yaml), or choose a preset "
        "or a quantised model that fits one node",
    )


def definition_findings(plan: Plan, client: Client) -> tuple[list[Mistake], list[str]]:
    """Refuse a plan with objects that the cluster does not know; warn where nobody can tell."""
    mistakes: list[Mistake] = []
    warnings: list[str] = []
    for needed in needed_definitions(plan):
        namespace = plan.names.namespace
        found = read_kind(client, needed.name, needed.version, namespace=namespace)
        if found.served is None:
            warnings.append(
                f"{needed.key}: {needed.asked}, and whether the cluster serves {needed.name} is "
                "not known (the API server answered 403); it is assumed"
            )
        elif not found.served:
            mistakes.append(missing(needed))
    return mistakes, warnings


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
