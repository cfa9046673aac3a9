"""The program under the real engine and provider, rendering manifests instead of a cluster."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.pulumi_project import (
    PLUGIN_TROUBLE,
    STACK,
    PulumiProject,
    clear_spellings,
    files_that_hold,
)

pytestmark = pytest.mark.engine

TOKEN = "hf_NotARealTokenButLongEnough"
STACK_FILE = """\
config:
  mistral-vllm:model: mistral-7b-instruct
  mistral-vllm:preset: nvidia-l4-1
  mistral-vllm:presets: presets/sandbox.yaml
  mistral-vllm:huggingFaceTokenSecret: {name: hugging-face}
  mistral-vllm:kubernetes: {renderTo: rendered}
  mistral-vllm:ingress: {host: "{app}.example.com"}
  mistral-vllm:autoscaling: {enabled: true}
  mistral-vllm:cache: {accessMode: ReadWriteMany, storageClass: standard}
"""
FIVE_MISTAKES = """\
config:
  mistral-vllm:model: mistral-7b-instruct
  mistral-vllm:presets: presets/sandbox.yaml
  mistral-vllm:kubernetes: {renderTo: rendered}
  mistral-vllm:ingress: {host: "{app}.example.com"}
  mistral-vllm:servedModelNam: mistral
  mistral-vllm:replicas: many
  mistral-vllm:dtype: bf16
  mistral-vllm:autoscaling: {enabled: true, minReplicas: 4, maxReplicas: 3}
  mistral-vllm:cache: {accessMode: ReadWriteOnce}
"""


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> PulumiProject:
    """A checkout whose stack is rendered to its folder `rendered`."""
    folder = tmp_path_factory.mktemp("engine")
    project = PulumiProject(folder=folder / "checkout", backend=folder / "backend")
    project.check_out(STACK_FILE)
    project.succeed("stack", "init", STACK)
    project.up()
    return project


def manifests(project: PulumiProject) -> list[Path]:
    return sorted((project.folder / "rendered").rglob("*.yaml"))


def resource_types(project: PulumiProject) -> set[str]:
    """Types of the resources in the state."""
    state = json.loads(project.run("stack", "export").stdout)
    resources: list[dict[str, Any]] = state["deployment"].get("resources") or []
    return {resource["type"] for resource in resources}


def test_a_stack_is_rendered_to_the_folder_of_its_project(rendered: PulumiProject) -> None:
    documents: list[dict[str, Any]] = [yaml.safe_load(f.read_text()) for f in manifests(rendered)]
    assert sorted(document["kind"] for document in documents) == [
        "ConfigMap",
        "Deployment",
        "Ingress",
        "InterceptorRoute",
        "Job",
        "Namespace",
        "NetworkPolicy",
        "NetworkPolicy",
        "NetworkPolicy",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
        "ScaledObject",
        "Service",
        "Service",
        "ServiceAccount",
    ]


def test_a_second_preview_changes_nothing(rendered: PulumiProject) -> None:
    rendered.expect_no_changes()


def test_another_clone_kubeconfig_and_hash_seed_change_nothing(
    rendered: PulumiProject, tmp_path: Path
) -> None:
    kubeconfig = tmp_path / "elsewhere" / "config"
    kubeconfig.parent.mkdir()
    kubeconfig.write_text("{apiVersion: v1, kind: Config, current-context: other}\n")
    clone = PulumiProject(
        folder=tmp_path / "a deeper" / "path" / "clone",
        backend=rendered.backend,
        kubeconfig=kubeconfig,
        variables={"PYTHONHASHSEED": "4242"},
    ).check_out(rendered.stack_file.read_text())
    clone.succeed("stack", "select", STACK)
    clone.expect_no_changes()


def test_a_secret_is_refused_where_it_would_be_rendered_in_clear(tmp_path: Path) -> None:
    project = PulumiProject(folder=tmp_path / "checkout", backend=tmp_path / "backend")
    project.check_out(STACK_FILE.replace("  mistral-vllm:huggingFaceTokenSecret", "  # "))
    project.succeed("stack", "init", STACK)
    project.succeed("config", "set", "--secret", "huggingFaceToken", given=TOKEN)
    done = project.run("up", "--yes", "--skip-preview")
    assert done.returncode != 0
    assert "- huggingFaceToken: is set; kubernetes.renderTo writes" in done.stdout + done.stderr
    assert not (project.folder / "rendered").exists()
    assert files_that_hold(TOKEN, project.folder, project.backend) == []
    said = "".join(project.transcript)
    assert not [spelling for spelling in clear_spellings(TOKEN) if spelling in said]


def test_no_command_complains_about_a_plugin(rendered: PulumiProject) -> None:
    lines = "".join(rendered.transcript).splitlines()
    assert len(lines) > 50
    assert [line for line in lines if PLUGIN_TROUBLE.search(line)] == []


def test_a_kept_cache_stops_a_destroy_and_is_named(rendered: PulumiProject) -> None:
    done = rendered.run("destroy", "--yes")
    assert done.returncode != 0
    assert "vllm-cache-claim" in done.stdout + done.stderr
    assert "protect" in done.stdout + done.stderr
    rendered.expect_no_changes()


def test_five_mistakes_are_five_lines_and_nothing_is_made(tmp_path: Path) -> None:
    project = PulumiProject(folder=tmp_path / "checkout", backend=tmp_path / "backend")
    project.check_out(FIVE_MISTAKES)
    project.succeed("stack", "init", STACK)
    done = project.run("up", "--yes", "--skip-preview", "--suppress-progress")
    said = done.stdout + done.stderr
    lines = [line.strip() for line in said.splitlines() if line.strip().startswith("- ")]
    assert done.returncode != 0
    assert [line.partition(":")[0] for line in lines] == [
        "- autoscaling.minReplicas",
        "- cache.accessMode",
        "- dtype",
        "- replicas",
        "- servedModelNam",
    ]
    assert all(line.count(";") >= 2 for line in lines)
    assert "did you mean 'servedModelName'" in said
    assert "Traceback" not in said
    assert resource_types(project) <= {"pulumi:pulumi:Stack"}
    assert manifests(project) == []


def test_a_preview_of_a_rendered_stack_takes_seconds(rendered: PulumiProject) -> None:
    began = time.monotonic()
    rendered.succeed("preview")
    # 1.6 s on two idle cores; the margin is for busy ones.
    assert time.monotonic() - began < 30
