"""What the preflight of autoscaling says of the definitions on a real API server."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from lightkube import Client

from cluster.client import connect
from cluster.scaling import ScalingFindings, scaling_findings
from tests.choices import planned, preset
from tests.cluster.sandboxes import Sandbox
from tools import locate

pytestmark = pytest.mark.cluster

DEFINITIONS = {
    "interceptorroutes.http.keda.sh": "http-add-on-crds.yaml",
    "httpscaledobjects.http.keda.sh": "http-add-on-crds.yaml",
    "scaledobjects.keda.sh": "keda-crds.yaml",
}
EVERY_FIELD: dict[str, Any] = {
    "kind": "interceptorRoute",
    "fallback": {"replicas": 2},
    "coldStart": {"placeholder": {}},
}


@pytest.fixture
def client(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("KUBECONFIG", str(sandbox.kubeconfig))
    with connect(sandbox.context) as made:
        yield made


@contextmanager
def without(sandbox: Sandbox, name: str) -> Generator[None]:
    """Take a definition away for a while."""
    sandbox.kubectl("delete", "customresourcedefinition", name, "--timeout=60s")
    try:
        yield
    finally:
        file = locate.manifests() / DEFINITIONS[name]
        sandbox.kubectl("apply", "--server-side", "--force-conflicts", f"--filename={file}")
        established = f"customresourcedefinition/{name}"
        sandbox.kubectl("wait", "--for=condition=Established", established, "--timeout=60s")


def found(client: Client, **keys: Any) -> ScalingFindings:
    shared = {"storageClass": "standard", "accessMode": "ReadWriteMany"}
    plan = planned([preset("l4")], cache=shared, autoscaling={"enabled": True, **keys})
    return scaling_findings(plan, client)


def test_a_keda_of_today_is_taken_with_every_field(client: Client) -> None:
    assert found(client, **EVERY_FIELD).mistakes == ()


@pytest.mark.parametrize("name", ["scaledobjects.keda.sh", "interceptorroutes.http.keda.sh"])
def test_a_cluster_without_a_definition_is_refused_by_its_name(
    sandbox: Sandbox, client: Client, name: str
) -> None:
    with without(sandbox, name):
        (mistake,) = found(client, kind="interceptorRoute").mistakes
        assert mistake.wrong == f"the cluster does not serve {name}"
        # Who serves the older kind only gets that one, unless another is asked for.
        if name.startswith("interceptorroutes"):
            settled = found(client)
            assert settled.mistakes == ()
            assert settled.plan.scaling is not None
            assert settled.plan.scaling.kind == "httpScaledObject"
