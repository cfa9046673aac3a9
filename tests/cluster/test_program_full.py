"""The program's autoscaling with KEDA and its HTTP add-on running."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.sandboxes import Sandbox
from tests.pulumi_project import STACK, PulumiProject, committed_stack_file, labelled_objects

pytestmark = pytest.mark.cluster

HELD = 3
MISSED_SECONDS = 11.0
"""Two looks of the HorizontalPodAutoscalers' controller, which takes one each 5 s here."""

COUNTERS = {
    "interceptorRoute": "interceptorroutes.http.keda.sh",
    "httpScaledObject": "httpscaledobjects.http.keda.sh",
}
METRICS = {"interceptorRoute": "s0-http_vllm_rate", "httpScaledObject": "s0-http-"}
"""How the names of the metric begin that the add-on's scaler has for each kind."""

_CONDITION = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
_METRICS = "jsonpath={.items[*].spec.metrics[*].external.metric.name}"


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """A stack with autoscaling of one kind, in a namespace of its own."""

    project: PulumiProject
    sandbox: Sandbox
    said: str
    kind: str
    namespace: str

    def get(self, *arguments: str) -> Any:
        """Objects of the app's namespace."""
        return self.sandbox.kubectl_json("get", f"--namespace={self.namespace}", *arguments)

    def set_up(self, **autoscaling: Any) -> None:
        """Change the autoscaler and run `pulumi up`; it is of the same kind if none is given."""
        # Without any load, so long that no busy machine sees a replica go for that.
        calm = {"scaleDownSeconds": 3600}
        value = json.dumps({"enabled": True, "kind": self.kind} | calm | autoscaling)
        self.project.succeed("config", "set", "autoscaling", value)
        self.project.up()

    def replicas(self) -> int:
        """How many the Deployment is to have."""
        return self.get("deployment", "vllm")["spec"]["replicas"]

    def wait_counted(self, kind: str) -> None:
        """Wait until the HorizontalPodAutoscaler asks for what an object of a kind counts."""
        of_app = ("horizontalpodautoscalers", f"--namespace={self.namespace}")
        self.sandbox.eventually(METRICS[kind], "get", *of_app, "--output", _METRICS)

    def wait_ready(self, resource: str) -> None:
        """Wait until the app's object of a kind has the condition Ready."""
        self.sandbox.eventually(
            "True", "get", resource, "vllm", f"--namespace={self.namespace}", "--output", _CONDITION
        )


@pytest.fixture(scope="module", params=list(COUNTERS))
def scaled(
    request: pytest.FixtureRequest,
    full_sandbox: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scaled]:
    """The dev stack with each kind of autoscaling."""
    folder = tmp_path_factory.mktemp(request.param)
    project = PulumiProject(
        folder=folder / "checkout", backend=folder / "backend", kubeconfig=full_sandbox.kubeconfig
    ).check_out(committed_stack_file("dev"))
    project.succeed("stack", "init", STACK)
    namespace = f"llm-{request.param.lower()}"
    for key, value in (
        ("preset", "nvidia-l4-1"),
        ("namespace", json.dumps({"name": namespace})),
        ("autoscaling", json.dumps({"enabled": True, "kind": request.param})),
    ):
        project.succeed("config", "set", key, value)
    said = project.up()
    yield Scaled(
        project=project, sandbox=full_sandbox, said=said, kind=request.param, namespace=namespace
    )
    project.run("destroy", "--yes", "--skip-preview")


def test_a_cluster_with_keda_gets_no_warning_about_it(scaled: Scaled) -> None:
    assert "no scaler" not in scaled.said
    assert "warning: kubernetes.context" not in scaled.said


def test_the_objects_of_keda_become_ready(scaled: Scaled) -> None:
    scaled.wait_ready("scaledobjects.keda.sh")
    scaled.wait_ready(COUNTERS[scaled.kind])


def test_the_autoscaler_holds_1_to_5_replicas_at_100_requests_a_second(scaled: Scaled) -> None:
    scaled.wait_ready("scaledobjects.keda.sh")
    (autoscaler,) = scaled.get("horizontalpodautoscalers")["items"]
    spec = autoscaler["spec"]
    assert spec["scaleTargetRef"]["kind"] == "Deployment"
    assert spec["scaleTargetRef"]["name"] == "vllm"
    assert (spec["minReplicas"], spec["maxReplicas"]) == (1, 5)
    targets = [metric["external"]["target"] for metric in spec["metrics"]]
    assert {"type": "AverageValue", "averageValue": "100"} in targets


def test_what_the_operators_wrote_is_no_change_after_a_refresh(scaled: Scaled) -> None:
    scaled.wait_ready("scaledobjects.keda.sh")
    scaled.project.succeed("refresh", "--yes", "--skip-preview")
    scaled.project.expect_no_changes()


def test_only_the_programs_own_object_scales(scaled: Scaled) -> None:
    scaled.wait_ready(COUNTERS[scaled.kind])
    (own,) = scaled.get("scaledobjects.keda.sh")["items"]
    assert "ownerReferences" not in own["metadata"]


def test_what_runs_outlasts_the_autoscaler_and_its_return(scaled: Scaled) -> None:
    scaled.set_up(minReplicas=HELD)
    ready = ("get", "deployment", "vllm", f"--namespace={scaled.namespace}")
    scaled.sandbox.eventually(str(HELD), *ready, "--output=jsonpath={.status.readyReplicas}")
    scaled.set_up(enabled=False)
    assert scaled.get("scaledobjects.keda.sh")["items"] == []
    assert scaled.get("horizontalpodautoscalers")["items"] == []
    assert scaled.replicas() == HELD
    # A HorizontalPodAutoscaler that is back before its controller has missed it goes on with what
    # that had for it, here one replica (podautoscaler/horizontal.go, reconcileKey).
    time.sleep(MISSED_SECONDS)
    scaled.set_up()
    scaled.wait_counted(scaled.kind)
    assert scaled.replicas() == HELD


def test_a_change_of_kind_and_back_keeps_the_scaler_and_what_runs(scaled: Scaled) -> None:
    (other,) = COUNTERS.keys() - {scaled.kind}
    own = ("scaledobjects.keda.sh", "vllm")
    scaler, running = scaled.get(*own)["metadata"]["uid"], scaled.replicas()
    for kind, former in ((other, scaled.kind), (scaled.kind, other)):
        scaled.set_up(kind=kind)
        scaled.wait_counted(kind)
        scaled.wait_ready(COUNTERS[kind])
        assert scaled.get(COUNTERS[former])["items"] == []
        assert scaled.get(*own)["metadata"]["uid"] == scaler
        assert scaled.replicas() == running
        scaled.project.succeed("refresh", "--yes", "--skip-preview")
        scaled.project.expect_no_changes()


def test_destroy_leaves_no_object_of_the_app_and_no_autoscaler(scaled: Scaled) -> None:
    scaled.project.succeed("destroy", "--yes", "--skip-preview")
    assert labelled_objects(scaled.sandbox.kubectl) == []
    names = scaled.sandbox.kubectl("get", "namespaces", "--output=name")
    assert f"namespace/{scaled.namespace}\n" not in names
