"""The program on the sandbox's real control plane; one stack, taken from `up` to `destroy`."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.sandboxes import PATIENCE_SECONDS, Sandbox
from tests.pulumi_project import (
    STACK,
    PulumiProject,
    clear_spellings,
    committed_stack_file,
    labelled_objects,
)

pytestmark = pytest.mark.cluster

TOKEN = "hf_NotARealTokenButLongEnough"
NVIDIA = "nvidia-l4-1"
AMD = "amd-mi300x-1"
NAMESPACE = "llm"
SERVER = "app.kubernetes.io/instance=vllm,app.kubernetes.io/component=server"

WARM_UP_SECONDS = 120.0
"""Under 5 s on an idle machine; the margin is for a busy one. What the program itself adds is bound
by the benchmark of a fresh `pulumi up`."""

START_SECONDS = 15
MARGIN_SECONDS = 240.0
"""What a busy machine adds; Pulumi's default would wait for ten minutes."""

ABSENT_PRESET = """\
presets:
  - name: absent-1
    vendor: nvidia
    product: l4
    gpus: 1
    cpu: 7
    memory: 28Gi
    pool:
      nodeSelector: {nvidia.com/gpu.product: NVIDIA-Nowhere}
      tolerations: [{key: nvidia.com/gpu, effect: NoSchedule}]
"""


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """The stack under test, its cluster, and what the first `pulumi up` took and said."""

    project: PulumiProject
    sandbox: Sandbox
    seconds: float
    said: str

    def get(self, *arguments: str) -> Any:
        """Objects of the app's namespace."""
        return self.sandbox.kubectl_json("get", f"--namespace={NAMESPACE}", *arguments)

    def replicas(self) -> int:
        """The count that the Deployment asks for."""
        return self.get("deployment", "vllm")["spec"]["replicas"]

    def running_pod(self) -> dict[str, Any]:
        """The one pod of the server, once it is alone and Running."""
        self.sandbox.rolled_out("vllm", NAMESPACE)
        deadline = time.monotonic() + PATIENCE_SECONDS
        pods: list[dict[str, Any]] = []
        while time.monotonic() < deadline:
            pods = self.get("pods", f"--selector={SERVER}")["items"]
            if [pod["status"]["phase"] for pod in pods] == ["Running"]:
                return pods[0]
            time.sleep(0.2)
        raise AssertionError(f"no single Running pod: {[pod['status'] for pod in pods]}")

    def scale(self, replicas: int) -> None:
        """Do as a scaler does, and wait for the pods: a refresh would record that some lack."""
        self.sandbox.kubectl(
            "scale", "deployment", "vllm", f"--namespace={NAMESPACE}", f"--replicas={replicas}"
        )
        self.sandbox.rolled_out("vllm", NAMESPACE)

    def node_labels(self, pod: dict[str, Any]) -> dict[str, str]:
        """Labels of the node that a pod runs on."""
        node = self.sandbox.kubectl_json("get", "node", pod["spec"]["nodeName"])
        return node["metadata"]["labels"]


def new_project(folder: Path, sandbox: Sandbox) -> PulumiProject:
    project = PulumiProject(
        folder=folder / "checkout", backend=folder / "backend", kubeconfig=sandbox.kubeconfig
    )
    project.check_out(committed_stack_file("dev"))
    project.succeed("stack", "init", STACK)
    return project


@pytest.fixture(scope="module")
def deployed(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The dev stack with a token, on an NVIDIA preset."""
    project = new_project(tmp_path_factory.mktemp("core"), sandbox)
    project.succeed("config", "set", "preset", NVIDIA)
    project.succeed("config", "set", "--secret", "huggingFaceToken", given=TOKEN)
    began = time.monotonic()
    said = project.succeed("up", "--yes", "--skip-preview")
    seconds = time.monotonic() - began
    yield Deployed(project=project, sandbox=sandbox, seconds=seconds, said=said)
    project.run("destroy", "--yes", "--skip-preview")


def test_the_stack_under_test_is_the_committed_dev_stack(sandbox: Sandbox) -> None:
    assert f"context: {sandbox.context}" in committed_stack_file("dev")


def test_a_warm_up_takes_seconds(deployed: Deployed) -> None:
    assert deployed.seconds < WARM_UP_SECONDS


def test_the_address_is_printed(deployed: Deployed) -> None:
    assert 'appHost           : "http://vllm.llm.localhost"' in deployed.said


def test_the_pod_runs_on_a_node_of_the_nvidia_pool(deployed: Deployed) -> None:
    labels = deployed.node_labels(deployed.running_pod())
    assert labels["nvidia.com/gpu.product"] == "NVIDIA-L4"


def test_the_preview_of_a_cluster_without_keda_says_that_nothing_scales(deployed: Deployed) -> None:
    said = deployed.project.expect_no_changes()
    assert "warning: autoscaling: no scaler is running in this cluster" in said


def test_a_second_up_changes_nothing(deployed: Deployed) -> None:
    before = deployed.get("deployment,service,ingress,pvc,secret,pods")["items"]
    deployed.project.succeed("up", "--yes", "--skip-preview", "--expect-no-changes")
    after = deployed.get("deployment,service,ingress,pvc,secret,pods")["items"]
    versions = [
        {item["metadata"]["uid"]: item["metadata"]["resourceVersion"] for item in items}
        for items in (before, after)
    ]
    assert versions[0] == versions[1]


def test_a_list_of_kubeconfigs_is_searched_for_the_context_and_stays_out_of_the_state(
    deployed: Deployed, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    text = deployed.sandbox.kubeconfig.read_text()
    other.write_text(text.replace(deployed.sandbox.context, "elsewhere"))
    files = [tmp_path / "missing", other, deployed.sandbox.kubeconfig]
    several = os.pathsep.join(map(str, files))
    project = replace(deployed.project, kubeconfig=Path(several))
    said = project.expect_no_changes()
    assert "was not checked" not in said
    assert several not in project.succeed("stack", "export")


def test_another_clone_with_the_kubeconfig_elsewhere_sees_no_change(
    deployed: Deployed, tmp_path: Path
) -> None:
    kubeconfig = tmp_path / "my" / "config"
    kubeconfig.parent.mkdir()
    shutil.copy(deployed.sandbox.kubeconfig, kubeconfig)
    clone = replace(
        deployed.project,
        folder=tmp_path / "another" / "clone",
        kubeconfig=kubeconfig,
        variables={"PYTHONHASHSEED": "4242"},
    )
    clone.check_out(deployed.project.stack_file.read_text())
    clone.succeed("stack", "select", STACK)
    clone.expect_no_changes()


def test_a_count_set_by_a_scaler_survives_refresh_and_up(deployed: Deployed) -> None:
    deployed.scale(3)
    deployed.project.succeed("refresh", "--yes", "--skip-preview")
    deployed.project.expect_no_changes()
    assert deployed.replicas() == 3
    deployed.project.succeed("up", "--yes", "--skip-preview")
    assert deployed.replicas() == 3
    deployed.scale(1)


def test_another_preset_moves_the_pod_to_the_amd_pool(deployed: Deployed) -> None:
    deployed.project.succeed("config", "set", "preset", AMD)
    deployed.project.up()
    pod = deployed.running_pod()
    labels = deployed.node_labels(pod)
    assert labels["amd.com/gpu.product-name"] == "AMD_Instinct_MI300X_OAM"
    assert pod["spec"]["containers"][0]["resources"]["limits"]["amd.com/gpu"] == "1"


def test_the_token_stands_in_clear_in_no_object_but_its_secret(deployed: Deployed) -> None:
    kinds = deployed.sandbox.kubectl(
        "api-resources", "--verbs=list", "--namespaced", "--output=name"
    ).split()
    objects = deployed.get(",".join(sorted(set(kinds))))["items"]
    carriers = {
        item["kind"]
        for item in objects
        if any(spelling in json.dumps(item) for spelling in clear_spellings(TOKEN))
    }
    assert carriers == {"Secret"}
    said = "".join(deployed.project.transcript)
    assert not [spelling for spelling in clear_spellings(TOKEN) if spelling in said]


def test_a_cache_keeps_its_size_through_changes_of_model_and_grows_when_asked(
    deployed: Deployed,
) -> None:
    def claim() -> tuple[str, str]:
        found = deployed.get("persistentvolumeclaim", "vllm-cache")
        return found["metadata"]["uid"], found["spec"]["resources"]["requests"]["storage"]

    project, (uid, size) = deployed.project, claim()
    project.succeed("config", "set", "model", "mistralai/Mistral-Small-3.2-24B-Instruct-2506")
    refused = project.run("up", "--yes", "--skip-preview")
    assert refused.returncode != 0
    assert "cache.size: the claim 'vllm-cache' has 30.0 GiB" in refused.stdout
    assert claim() == (uid, size)
    project.succeed("config", "set", "--path", "cache.size", "100Gi")
    project.up()
    assert claim() == (uid, "100Gi")
    project.succeed("config", "set", "--path", "cache.size", "50Gi")
    refused = project.run("up", "--yes", "--skip-preview")
    assert "cache.size: 50Gi is less than the 100.0 GiB" in refused.stdout
    project.succeed("config", "rm", "--path", "cache.size")
    project.succeed("config", "set", "model", "mistral-7b-instruct")
    project.up()
    assert claim() == (uid, "100Gi")


def test_without_a_matching_node_up_ends_in_its_budget_and_the_diagnosis_says_why(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    project = new_project(tmp_path, sandbox)
    (project.folder / "presets" / "absent.yaml").write_text(ABSENT_PRESET)
    for key, value in (
        ("presets", "presets/absent.yaml"),
        ("preset", "absent-1"),
        ("namespace", '{"name": "llm-absent"}'),
        ("rollout", json.dumps({"startSeconds": START_SECONDS})),
    ):
        project.succeed("config", "set", key, value)
    try:
        began = time.monotonic()
        done = project.run("up", "--yes", "--skip-preview")
        seconds = time.monotonic() - began
        diagnosis = project.execute("python", "-m", "cluster", "diagnose", "--stack", STACK)
    finally:
        project.succeed("destroy", "--yes", "--skip-preview")
    assert done.returncode != 0
    assert START_SECONDS < seconds < START_SECONDS + MARGIN_SECONDS
    assert "preset: no node has nvidia.com/gpu.product=NVIDIA-Nowhere" in done.stdout + done.stderr
    assert diagnosis.returncode == 0, diagnosis.stderr
    assert "FailedScheduling" in diagnosis.stdout
    assert "pools that offer 1 nvidia.com/gpu" in diagnosis.stdout
    assert "nvidia.com/gpu.product is NVIDIA-L4, the pod asks for NVIDIA-Nowhere" in (
        diagnosis.stdout
    )


def test_destroy_leaves_no_object_of_the_app(deployed: Deployed) -> None:
    sandbox = deployed.sandbox
    assert labelled_objects(sandbox.kubectl)
    deployed.project.succeed("destroy", "--yes", "--skip-preview")
    assert labelled_objects(sandbox.kubectl) == []
    names = [n["metadata"]["name"] for n in sandbox.kubectl_json("get", "namespaces")["items"]]
    assert NAMESPACE not in names
    # Volumes are released once their claim has gone, and deleted after that.
    deadline = time.monotonic() + PATIENCE_SECONDS
    while "vllm-cache" in (claims := _claims_of_volumes(sandbox)):
        assert time.monotonic() < deadline, claims
        time.sleep(0.2)


def _claims_of_volumes(sandbox: Sandbox) -> list[str]:
    volumes = sandbox.kubectl_json("get", "persistentvolumes")["items"]
    return [volume["spec"]["claimRef"]["name"] for volume in volumes]
