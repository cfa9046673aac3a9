"""Which CustomResourceDefinitions a plan needs of its cluster, and what is said without them."""

from typing import Any

import pytest

from cluster.definitions import missing, needed_definitions
from planning.plan import Plan
from tests.choices import planned, preset

CERTIFICATES = "certificates.cert-manager.io"
EXTERNAL_SECRETS = "externalsecrets.external-secrets.io"
GRANTS = "referencegrants.gateway.networking.k8s.io"
GROUPS = "leaderworkersets.leaderworkerset.x-k8s.io"
MIDDLEWARES = "middlewares.traefik.io"
ROUTES = "httproutes.gateway.networking.k8s.io"

GATEWAY = {"kind": "gateway", "gateway": {"name": "public", "namespace": "edge"}}
HOST = {"host": "llm.example.com"}
OIDC = {"kind": "oidc", "issuer": "https://login.example.com", "clientId": "llm"}
SCALED = {"enabled": True, "maxReplicas": 1}
SEVERAL_NODES: dict[str, Any] = {
    "model": "deepseek-v3",
    "multiNode": {"maxNodes": 2},
    "cache": {"accessMode": "ReadWriteMany"},
}


def needed(plan: Plan) -> tuple[str, ...]:
    return tuple(definition.name for definition in needed_definitions(plan))


@pytest.mark.parametrize(
    ("keys", "definitions"),
    [
        ({"ingress": {"enabled": False}, "autoscaling": SCALED}, ()),
        ({"ingress": HOST, "autoscaling": SCALED}, ()),
        ({"ingress": {**HOST, "tls": {"secretName": "wild"}}}, ()),
        ({"ingress": {**HOST, "tls": {"kind": "certManager", "issuer": "ca"}}}, (CERTIFICATES,)),
        ({"ingress": HOST | GATEWAY}, (ROUTES,)),
        ({"ingress": HOST | GATEWAY, "autoscaling": SCALED}, (ROUTES, GRANTS)),
        ({"ingress": HOST | {"auth": "apiKey"}}, ()),
        ({"ingress": HOST | {"auth": OIDC}}, (MIDDLEWARES,)),
        ({"huggingFaceTokenExternal": {"store": "vault", "key": "t"}}, (EXTERNAL_SECRETS,)),
        (SEVERAL_NODES, (GROUPS,)),
    ],
)
def test_a_plan_needs_the_definitions_of_its_objects(
    keys: dict[str, Any], definitions: tuple[str, ...]
) -> None:
    pool = preset("h100-80", gpus=8) if keys is SEVERAL_NODES else preset("l4")
    plan = planned([pool], **keys)
    assert needed(plan) == definitions
    for definition in needed_definitions(plan):
        assert f"and the cluster does not serve {definition.name}; " in str(missing(definition))


def test_a_model_over_several_nodes_says_how_many_it_needs_and_what_to_install() -> None:
    (definition,) = needed_definitions(planned([preset("h100-80", gpus=8)], **SEVERAL_NODES))
    assert str(missing(definition)).startswith("multiNode.maxNodes: the model needs 2 nodes, and")
    assert "install LeaderWorkerSet" in str(missing(definition))
