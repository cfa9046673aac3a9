"""Every way in on a real API server: it takes the objects, and changes nothing of what they say."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.sandboxes import Sandbox
from tests.pulumi_project import STACK, PulumiProject, committed_stack_file, labelled_objects

pytestmark = pytest.mark.cluster

HOST = "llm.example.com"
NAMESPACE = "llm-exposure"
INTERCEPTOR = "keda-exposure"
APP = "app.kubernetes.io/instance=vllm"
PUBLIC = {"name": "public", "namespace": "edge"}
GATEWAY = {"kind": "gateway", "gateway": PUBLIC}
PASSED = {"kind": "middleware", "middlewares": [{"name": "limit"}]}

INGRESSES: dict[str, dict[str, Any]] = {
    "plain": {},
    "secret": {"tls": {"secretName": "wild"}},
    "issuer": {"tls": {"kind": "certManager", "issuer": "ca"}},
    "cluster-issuer": {"tls": {"kind": "certManager", "clusterIssuer": "acme"}},
    "controller": {"tls": {"kind": "controller"}},
    "middleware": {"auth": PASSED},
    "other-class": {"className": "haproxy", "annotations": {"haproxy.org/timeout-server": "30m"}},
}
ROUTES: dict[str, dict[str, Any]] = {
    "plain": {},
    "listener": {"gateway": PUBLIC | {"sectionName": "https"}},
    "tls": {"tls": {"kind": "controller"}},
    "middleware": {"controller": "traefik", "auth": PASSED},
    "annotated": {"annotations": {"external-dns.alpha.kubernetes.io/ttl": "60"}},
}


class Exposed:
    """The dev stack, whose way in the tests change."""

    def __init__(self, project: PulumiProject, sandbox: Sandbox) -> None:
        self.project = project
        self.sandbox = sandbox

    def up(self, ingress: dict[str, Any], *, scaled: bool = False) -> str:
        """Deploy with a way in, and expect that a refresh finds nothing else."""
        scaling = {"enabled": scaled, "interceptor": {"namespace": INTERCEPTOR}}
        keys = {"ingress": {"host": HOST} | ingress, "autoscaling": scaling}
        values = [f"--plaintext={key}={json.dumps(value)}" for key, value in keys.items()]
        self.project.succeed("config", "set-all", *values)
        said = self.project.succeed("up", "--yes", "--skip-preview")
        self.project.succeed("preview", "--refresh", "--expect-no-changes", "--diff")
        return said

    def address(self) -> str:
        """The address that the stack puts out."""
        return self.project.succeed("stack", "output", "appHost").strip()

    def only(self, kind: str, namespace: str = NAMESPACE) -> Any:
        """The app's one object of a kind."""
        (found,) = self.all(kind, namespace)
        return found

    def all(self, kind: str, namespace: str = NAMESPACE) -> list[Any]:
        """The app's objects of a kind."""
        where = (f"--namespace={namespace}", f"--selector={APP}")
        return self.sandbox.kubectl_json("get", kind, *where)["items"]


@pytest.fixture(scope="module")
def exposed(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exposed]:
    """A stack in a namespace of its own, and a namespace as that of an interceptor."""
    folder = tmp_path_factory.mktemp("exposure")
    project = PulumiProject(
        folder=folder / "checkout", backend=folder / "backend", kubeconfig=sandbox.kubeconfig
    ).check_out(committed_stack_file("dev"))
    project.succeed("stack", "init", STACK)
    project.succeed("config", "set", "namespace", json.dumps({"name": NAMESPACE}))
    with sandbox.namespace(INTERCEPTOR):
        yield Exposed(project, sandbox)
        project.run("destroy", "--yes", "--skip-preview")


@pytest.mark.parametrize("arm", INGRESSES)
def test_every_ingress_is_admitted_and_stays_as_it_was_written(exposed: Exposed, arm: str) -> None:
    exposed.up(INGRESSES[arm])
    found = exposed.only("ingresses")
    (rule,) = found["spec"]["rules"]
    scheme = "https" if "tls" in INGRESSES[arm] else "http"
    assert exposed.address() == f"{scheme}://{rule['host']}"
    assert ("tls" in found["spec"]) == (scheme == "https")
    assert exposed.all("httproutes.gateway.networking.k8s.io") == []


@pytest.mark.parametrize("arm", ROUTES)
def test_every_httproute_is_admitted_and_stays_as_it_was_written(
    exposed: Exposed, arm: str
) -> None:
    said = exposed.up(GATEWAY | ROUTES[arm])
    found = exposed.only("httproutes.gateway.networking.k8s.io")
    scheme = "https" if "tls" in ROUTES[arm] else "http"
    assert exposed.address() == f"{scheme}://{HOST}"
    assert found["spec"]["hostnames"] == [HOST]
    assert exposed.all("ingresses") == []
    assert "ingress.gateway: there is no Gateway edge/public" in said


def test_a_scaled_httproute_brings_its_grant_and_takes_it_along(exposed: Exposed) -> None:
    exposed.up(GATEWAY, scaled=True)
    grants = "referencegrants.gateway.networking.k8s.io"
    grant = exposed.only(grants, INTERCEPTOR)
    assert grant["metadata"]["name"] == f"{NAMESPACE}-vllm"
    (rule,) = exposed.only("httproutes.gateway.networking.k8s.io")["spec"]["rules"]
    assert rule["backendRefs"][0]["namespace"] == INTERCEPTOR
    exposed.up({}, scaled=True)
    assert exposed.all(grants, INTERCEPTOR) == []
    aliases = [
        service["spec"]["externalName"]
        for service in exposed.all("services")
        if service["spec"]["type"] == "ExternalName"
    ]
    proxy = f"keda-add-ons-http-interceptor-proxy.{INTERCEPTOR}.svc.cluster.local"
    assert aliases == [proxy]


def test_what_the_cluster_does_not_hold_yet_is_a_warning(exposed: Exposed) -> None:
    said = exposed.up({"className": "haproxy", "tls": INGRESSES["issuer"]["tls"]})
    assert "ingress.className: there is no IngressClass haproxy" in said
    assert f"ingress.tls: there is no Issuer ca in namespace {NAMESPACE}" in said
    known = exposed.up({})
    assert "ingress.className" not in known
    assert "ingress.tls" not in known


def test_destroy_leaves_no_object_of_the_app(exposed: Exposed) -> None:
    exposed.project.succeed("destroy", "--yes", "--skip-preview")
    assert labelled_objects(exposed.sandbox.kubectl) == []
