"""Every way in on a real API server: it takes the objects, and changes nothing of what they say."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.exposed import Exposed, exposed_stack
from tests.cluster.sandboxes import Sandbox
from tests.program.recording import run_stack_file
from tests.pulumi_project import labelled_objects

pytestmark = pytest.mark.cluster

HOST = "llm.example.com"
NAMESPACE = "llm-exposure"
DRY = "llm-exposure-dry"
INTERCEPTOR = "keda-exposure"
HTTP_ROUTES = "httproutes.gateway.networking.k8s.io"
GRANTS = "referencegrants.gateway.networking.k8s.io"
PUBLIC = {"name": "public", "namespace": "edge"}
GATEWAY = {"kind": "gateway", "gateway": PUBLIC}
PASSED = {"kind": "middleware", "middlewares": [{"name": "limit"}]}
ISSUER = {"kind": "certManager", "issuer": "ca"}

WAYS: dict[str, dict[str, Any]] = {
    "ingress": {},
    "ingress-secret": {"tls": {"secretName": "wild"}},
    "ingress-issuer": {"tls": ISSUER},
    "ingress-cluster-issuer": {"tls": {"kind": "certManager", "clusterIssuer": "acme"}},
    "ingress-controller": {"tls": {"kind": "controller"}},
    "ingress-middleware": {"auth": PASSED},
    "ingress-other-class": {
        "className": "haproxy",
        "annotations": {"haproxy.org/timeout-server": "30m"},
    },
    "route": GATEWAY,
    "route-listener": GATEWAY | {"gateway": PUBLIC | {"sectionName": "https"}},
    "route-tls": GATEWAY | {"tls": {"kind": "controller"}},
    "route-middleware": GATEWAY | {"controller": "traefik", "auth": PASSED},
    "route-annotated": GATEWAY | {"annotations": {"external-dns.alpha.kubernetes.io/ttl": "60"}},
}


@pytest.fixture(scope="module")
def prepared(sandbox: Sandbox) -> Iterator[Sandbox]:
    """A namespace for objects that are not kept, and one as that of an interceptor."""
    with sandbox.namespace(DRY), sandbox.namespace(INTERCEPTOR):
        yield sandbox


@pytest.fixture(scope="module")
def exposed(prepared: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exposed]:
    with exposed_stack(prepared, tmp_path_factory.mktemp("exposure"), NAMESPACE) as made:
        yield made


def scaling(*, enabled: bool) -> dict[str, Any]:
    return {"enabled": enabled, "interceptor": {"namespace": INTERCEPTOR}}


def way_in_objects(ingress: dict[str, Any], *, scaled: bool) -> tuple[str, list[dict[str, Any]]]:
    """The address, and the objects of the way in as the program hands them to the provider."""
    recording = run_stack_file(
        "dev",
        {
            "ingress": {"host": HOST} | ingress,
            "autoscaling": scaling(enabled=scaled),
            "namespace": {"name": DRY},
        },
    )
    kinds = ("Ingress", "HTTPRoute", "ReferenceGrant")
    made = [request.inputs for request in recording.requests if request.custom]
    return recording.outputs["appHost"], [each for each in made if each.get("kind") in kinds]


@pytest.mark.parametrize("scaled", [False, True], ids=["", "scaled"])
@pytest.mark.parametrize("arm", WAYS)
def test_every_way_in_is_admitted_as_it_was_written(
    prepared: Sandbox, monkeypatch: pytest.MonkeyPatch, arm: str, scaled: bool
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nonexistent/kubeconfig")
    address, objects = way_in_objects(WAYS[arm], scaled=scaled)
    kind = "HTTPRoute" if arm.startswith("route") else "Ingress"
    grants = ["ReferenceGrant"] if scaled and kind == "HTTPRoute" else []
    assert sorted(each["kind"] for each in objects) == sorted([kind, *grants])
    for each in objects:
        tried = ("create", "--dry-run=server", "--filename=-", "--output=json")
        admitted = json.loads(prepared.kubectl(*tried, given=json.dumps(each)))
        assert admitted["spec"] == each["spec"]
        for part in ("annotations", "labels"):
            assert admitted["metadata"].get(part, {}) == each["metadata"].get(part, {})
    scheme = "https" if "tls" in WAYS[arm] else "http"
    assert address == f"{scheme}://{HOST}"


def test_a_scaled_httproute_brings_its_grant(exposed: Exposed) -> None:
    said = exposed.up(ingress={"host": HOST} | GATEWAY, autoscaling=scaling(enabled=True))
    assert "ingress.gateway: there is no Gateway edge/public" in said
    assert exposed.only(GRANTS, INTERCEPTOR)["metadata"]["name"] == f"{NAMESPACE}.vllm"
    (rule,) = exposed.only(HTTP_ROUTES)["spec"]["rules"]
    assert rule["backendRefs"][0]["namespace"] == INTERCEPTOR
    assert exposed.all("ingresses") == []
    exposed.project.succeed("preview", "--refresh", "--expect-no-changes", "--diff")


def test_an_ingress_in_its_place_takes_route_and_grant_away(exposed: Exposed) -> None:
    way = {"host": HOST, "className": "haproxy", "tls": ISSUER}
    said = exposed.up(ingress=way, autoscaling=scaling(enabled=True))
    assert exposed.all(GRANTS, INTERCEPTOR) == exposed.all(HTTP_ROUTES) == []
    aliases = [
        service["spec"]["externalName"]
        for service in exposed.all("services")
        if service["spec"]["type"] == "ExternalName"
    ]
    proxy = f"keda-add-ons-http-interceptor-proxy.{INTERCEPTOR}.svc.cluster.local"
    assert aliases == [proxy]
    assert "ingress.className: there is no IngressClass haproxy" in said
    assert f"ingress.tls: there is no Issuer ca in namespace {NAMESPACE}" in said
    exposed.project.succeed("preview", "--refresh", "--expect-no-changes", "--diff")


def test_what_the_cluster_holds_is_not_warned_of(exposed: Exposed) -> None:
    exposed.configure(ingress={"host": HOST})
    said = exposed.project.succeed("preview")
    assert "ingress: http" in said
    assert "ingress.className" not in said
    assert "ingress.tls" not in said


def test_a_class_of_traefiks_name_that_another_answers_for_is_refused_with_middlewares(
    exposed: Exposed,
) -> None:
    """Another controller would ignore them, and let everybody in."""
    misnamed = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": "traefik-misnamed"},
        "spec": {"controller": "k8s.io/ingress-nginx"},
    }
    exposed.sandbox.apply(json.dumps(misnamed))
    way = {"host": HOST, "className": "traefik-misnamed", "auth": PASSED}
    exposed.configure(ingress=way)
    refused = exposed.project.run("preview")
    assert refused.returncode != 0
    said = refused.stdout + refused.stderr
    assert "ingress.className: traefik-misnamed is a class of k8s.io/ingress-nginx" in said
    exposed.configure(ingress=way | {"controller": "traefik"})
    assert "ingress.controller: traefik, but the IngressClass" in exposed.project.succeed("preview")
    exposed.configure(ingress=way | {"auth": "apiKey"})
    assert "traefik-misnamed is" not in exposed.project.succeed("preview")


def test_a_gateway_that_keeps_to_its_own_namespace_is_warned_of(exposed: Exposed) -> None:
    listener = {"name": "web", "protocol": "HTTP", "port": 80}
    gateway = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "narrow", "namespace": INTERCEPTOR},
        "spec": {"gatewayClassName": "any", "listeners": [listener]},
    }
    exposed.sandbox.apply(json.dumps(gateway))
    named = {"name": "narrow", "namespace": INTERCEPTOR}
    exposed.configure(ingress={"host": HOST, "kind": "gateway", "gateway": named})
    said = exposed.project.succeed("preview")
    assert f"has no HTTP listener that admits routes of the namespace {NAMESPACE}" in said


@pytest.mark.parametrize("kind", ["Ingress", "HTTPRoute"])
def test_a_host_that_somebody_else_has_is_warned_of_and_their_pages_are_not(
    prepared: Sandbox, exposed: Exposed, kind: str
) -> None:
    host = f"{kind.lower()}.example.com"
    for path, warned in (("/", False), ("/v1", True)):
        prepared.apply(json.dumps(object_of_others(kind, host, path)))
        exposed.configure(ingress={"host": host})
        said = exposed.project.succeed("preview")
        assert (f"ingress.host: {kind} {DRY}/others answers for {host}/v1 too" in said) == warned


def object_of_others(kind: str, host: str, path: str) -> dict[str, Any]:
    """An object of another app that answers for a host."""
    metadata = {"name": "others", "namespace": DRY}
    if kind == "HTTPRoute":
        rule = {"matches": [{"path": {"type": "PathPrefix", "value": path}}]}
        spec = {"hostnames": [host], "rules": [rule]}
        return {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": kind,
            "metadata": metadata,
            "spec": spec,
        }
    backend = {"service": {"name": "others", "port": {"number": 80}}}
    paths = [{"path": path, "pathType": "Prefix", "backend": backend}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": kind,
        "metadata": metadata,
        "spec": {"rules": [{"host": host, "http": {"paths": paths}}]},
    }


def test_destroy_leaves_no_object_of_the_app(exposed: Exposed) -> None:
    exposed.project.succeed("destroy", "--yes", "--skip-preview")
    assert labelled_objects(exposed.sandbox.kubectl) == []
