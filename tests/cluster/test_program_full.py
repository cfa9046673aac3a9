"""The program's autoscaling with KEDA and its HTTP add-on running."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.sandboxes import Sandbox
from tests.pulumi_project import STACK, PulumiProject, committed_stack_file, labelled_objects

pytestmark = pytest.mark.cluster

_CONDITION = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'


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

    def set_autoscaling(self, *, enabled: bool, kind: str) -> None:
        """Change the stack's config."""
        value = json.dumps({"enabled": enabled, "kind": kind})
        self.project.succeed("config", "set", "autoscaling", value)

    def wait_ready(self, resource: str) -> None:
        """Wait until the app's object of a kind has the condition Ready."""
        self.sandbox.eventually(
            "True", "get", resource, "vllm", f"--namespace={self.namespace}", "--output", _CONDITION
        )


@pytest.fixture(scope="module", params=["interceptorRoute", "httpScaledObject"])
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
    if scaled.kind == "interceptorRoute":
        scaled.wait_ready("interceptorroutes.http.keda.sh")
    else:
        scaled.wait_ready("httpscaledobjects.http.keda.sh")


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


def test_a_switch_of_kind_works_or_names_the_way(scaled: Scaled) -> None:
    scaled.wait_ready("scaledobjects.keda.sh")
    if scaled.kind == "interceptorRoute":
        scaled.set_autoscaling(enabled=True, kind="httpScaledObject")
        scaled.project.up()
    else:
        scaled.set_autoscaling(enabled=True, kind="interceptorRoute")
        refused = scaled.project.run("up", "--yes", "--skip-preview")
        assert refused.returncode != 0
        assert "autoscaling.kind: interceptorRoute meets the HTTPScaledObject" in refused.stdout
        assert "conflict" not in refused.stdout
        scaled.set_autoscaling(enabled=False, kind="interceptorRoute")
        scaled.project.up()
        scaled.set_autoscaling(enabled=True, kind="interceptorRoute")
        scaled.project.up()
    scaled.wait_ready("scaledobjects.keda.sh")


def test_destroy_leaves_no_object_of_the_app_and_no_autoscaler(scaled: Scaled) -> None:
    scaled.project.succeed("destroy", "--yes", "--skip-preview")
    assert labelled_objects(scaled.sandbox.kubectl) == []
    names = scaled.sandbox.kubectl("get", "namespaces", "--output=name")
    assert f"namespace/{scaled.namespace}\n" not in names
