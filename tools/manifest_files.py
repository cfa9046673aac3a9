"""The files of Kubernetes objects that the sandbox applies: definitions, and stages of KWOK."""

from tools.cluster_programs import (
    HTTP_ADD_ON,
    KEDA,
    KUBERNETES,
    KWOK,
    LEADER_WORKER_SET,
    TRAEFIK,
)
from tools.pins import released_version
from tools.records import Artifact, Manifest

_GATEWAY_API = "sigs.k8s.io/gateway-api"
_CERT_MANAGER = "github.com/cert-manager/cert-manager"
_EXTERNAL_SECRETS = "github.com/external-secrets/external-secrets"

# Of the standard channel.
_GATEWAY_KINDS = (
    "backendtlspolicies",
    "gatewayclasses",
    "gateways",
    "grpcroutes",
    "httproutes",
    "referencegrants",
    "tlsroutes",
)
_CERTIFICATE_KINDS = ("certificaterequests", "certificates", "clusterissuers", "issuers")
# Of its 23 kinds, the others are for generators and for pushing secrets out of the cluster.
_SECRET_KINDS = ("clustersecretstores", "externalsecrets", "secretstores")

_KWOK_STAGES = (
    "node/fast/node-initialize",
    "node/heartbeat-with-lease/node-heartbeat-with-lease",
    "pod/fast/pod-ready",
    "pod/fast/pod-complete",
    "pod/fast/pod-delete",
    "volume/fast/pv-bind",
    "volume/fast/pv-delete",
    "volume/fast/pvc-provision",
    "volume/fast/pvc-delete",
)


def manifests() -> Artifact:
    """The custom resource definitions, and the stages that KWOK plays."""
    return Artifact(
        name="manifests",
        group="core",
        version=released_version("cluster", KUBERNETES),
        manifests=(
            Manifest(
                name="keda-crds.yaml", module="cluster", path=KEDA, kustomization="config/crd"
            ),
            Manifest(
                name="http-add-on-crds.yaml",
                module="cluster",
                path=HTTP_ADD_ON,
                kustomization="config/crd",
            ),
            Manifest(
                name="traefik-crds.yaml",
                module="traefik",
                path=TRAEFIK,
                files=(
                    "docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml",
                ),
            ),
            Manifest(
                name="leaderworkerset-crds.yaml",
                module="leaderworkerset",
                path=LEADER_WORKER_SET,
                files=("config/crd/bases/leaderworkerset.x-k8s.io_leaderworkersets.yaml",),
            ),
            *_crds_of_others(),
            _kwok_stages(),
        ),
        needs=("control-plane",),
    )


def _crds_of_others() -> tuple[Manifest, ...]:
    """What a cluster may have beside the operators; none of their controllers runs here."""
    return (
        Manifest(
            name="gateway-api-crds.yaml",
            module="crds",
            path=_GATEWAY_API,
            files=tuple(
                f"config/crd/standard/gateway.networking.k8s.io_{kind}.yaml"
                for kind in _GATEWAY_KINDS
            ),
        ),
        Manifest(
            name="cert-manager-crds.yaml",
            module="crds",
            path=_CERT_MANAGER,
            files=tuple(f"deploy/crds/cert-manager.io_{kind}.yaml" for kind in _CERTIFICATE_KINDS),
        ),
        Manifest(
            name="external-secrets-crds.yaml",
            module="crds",
            path=_EXTERNAL_SECRETS,
            files=tuple(
                f"config/crds/bases/external-secrets.io_{kind}.yaml" for kind in _SECRET_KINDS
            ),
        ),
    )


def _kwok_stages() -> Manifest:
    return Manifest(
        name="kwok-stages.yaml",
        module="cluster",
        path=KWOK,
        files=tuple(f"kustomize/stage/{stage}.yaml" for stage in _KWOK_STAGES),
    )
