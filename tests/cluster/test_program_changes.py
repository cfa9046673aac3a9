"""Changes of one setting on a running stack, which leave the app and its files in place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.sandboxes import Sandbox
from tests.pulumi_project import STACK, PulumiProject, committed_stack_file

pytestmark = pytest.mark.cluster

NAMESPACE = "llm-changes"


def a_project(folder: Path, sandbox: Sandbox, **keys: object) -> PulumiProject:
    project = PulumiProject(
        folder=folder / "checkout", backend=folder / "backend", kubeconfig=sandbox.kubeconfig
    )
    project.check_out(committed_stack_file("dev"))
    project.succeed("stack", "init", STACK)
    asked: dict[str, object] = {
        "namespace": {"name": NAMESPACE},
        "autoscaling": {"enabled": False},
        "ingress": {"enabled": False},
    }
    for key, value in (asked | keys).items():
        text = value if isinstance(value, str) else json.dumps(value)
        project.succeed("config", "set", "--plaintext", key, text)
    return project


@pytest.fixture
def project(sandbox: Sandbox, tmp_path: Path) -> Iterator[PulumiProject]:
    """The dev stack without a cache, ingress or autoscaler, deployed."""
    made = a_project(tmp_path, sandbox, cache={"enabled": False})
    made.up()
    yield made
    made.run("destroy", "--yes", "--skip-preview")
    sandbox.kubectl("delete", "namespace", NAMESPACE, "--wait=false", "--ignore-not-found")


def uid(sandbox: Sandbox, *thing: str) -> Any:
    return sandbox.kubectl_json("get", *thing)["metadata"]["uid"]


def test_a_stack_that_no_longer_creates_its_namespace_does_not_delete_it_with_the_app(
    sandbox: Sandbox, project: PulumiProject
) -> None:
    server = ("deployment", "vllm", f"--namespace={NAMESPACE}")
    before = uid(sandbox, "namespace", NAMESPACE), uid(sandbox, *server)
    project.succeed("config", "set", "namespace", json.dumps({"name": NAMESPACE, "create": False}))
    said = project.up()
    assert f"this stack made the namespace '{NAMESPACE}', which now stays" in said
    assert (uid(sandbox, "namespace", NAMESPACE), uid(sandbox, *server)) == before
    project.expect_no_changes()
    project.succeed("destroy", "--yes", "--skip-preview")
    found = sandbox.kubectl_json("get", "namespace", NAMESPACE)
    assert found["status"]["phase"] == "Active"
    assert "vllm" not in sandbox.kubectl("get", "deployments", f"--namespace={NAMESPACE}")


def test_another_name_is_another_cache_and_the_protected_one_stays(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    renamed = "llm-renamed"
    cache = {"storageClass": "standard"}
    project = a_project(tmp_path, sandbox, namespace={"name": renamed}, cache=cache)
    project.up()
    claim = ("persistentvolumeclaim", "vllm-cache", f"--namespace={renamed}")
    before = uid(sandbox, *claim)
    try:
        project.succeed("config", "set", "name", "other")
        refused = project.run("preview")
        assert refused.returncode != 0
        assert "pulumi state unprotect" in refused.stdout + refused.stderr
        project.succeed("state", "unprotect", "--all", "--yes")
        project.up()
        assert uid(sandbox, *claim) == before
        found = sandbox.kubectl_json("get", "deployments,pvc", f"--namespace={renamed}")["items"]
        assert {item["metadata"]["name"] for item in found} == {
            *("other", "other-cache", "vllm-cache")
        }
        project.expect_no_changes()
    finally:
        project.run("state", "unprotect", "--all", "--yes")
        project.run("destroy", "--yes", "--skip-preview")
        sandbox.kubectl("delete", "namespace", renamed, "--wait=false", "--ignore-not-found")


def test_who_may_read_nothing_of_the_cluster_but_a_namespace_loses_no_claim_by_that(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    keys: dict[str, Any] = {"namespace": {"name": "llm-theirs", "create": False}}
    files = {"storageClass": "standard", "retain": False}
    with sandbox.namespace("llm-theirs") as name:
        project = a_project(tmp_path, sandbox, **keys, cache=files)
        project = replace(project, kubeconfig=kubeconfig_of_its_admin(sandbox, name, tmp_path))
        said = project.up()
        assert "nodes is forbidden" in said
        assert "what it tells was not checked" in said
        claim = ("persistentvolumeclaim", "vllm-cache", f"--namespace={name}")
        before = uid(sandbox, *claim)
        project.succeed("config", "set", "cache", json.dumps({"enabled": False}))
        assert "the claim 'vllm-cache' (30Gi) stays" in project.up()
        assert uid(sandbox, *claim) == before
        project.succeed("destroy", "--yes", "--skip-preview")


def kubeconfig_of_its_admin(sandbox: Sandbox, namespace: str, folder: Path) -> Path:
    """A kubeconfig, under the sandbox's context, of a user with the role admin in a namespace."""
    scope = f"--namespace={namespace}"
    sandbox.kubectl("create", "serviceaccount", "admin", scope)
    sandbox.kubectl(
        *("create", "rolebinding", "admin", scope),
        *("--clusterrole=admin", f"--serviceaccount={namespace}:admin"),
    )
    # The API server lets them in once it has heard of the binding.
    who = f"--as=system:serviceaccount:{namespace}:admin"
    sandbox.eventually("yes", "auth", "can-i", "create", "deployments", scope, who)
    config = yaml.safe_load(sandbox.kubeconfig.read_text())
    token = sandbox.kubectl("create", "token", "admin", scope).strip()
    (user,) = config["users"]
    user["user"] = {"token": token}
    theirs = folder / "kubeconfig"
    theirs.write_text(yaml.safe_dump(config))
    return theirs


def test_a_download_that_failed_is_tried_again_by_the_next_up_and_then_the_server_is_made(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    scope = "--namespace=llm-failed"
    project = a_project(
        tmp_path,
        sandbox,
        namespace={"name": "llm-failed"},
        cache={"storageClass": "standard", "retain": False},
        # For the download that ends well too, which a busy machine delays.
        rollout={"downloadSeconds": 30},
    )
    pool = "--selector=nvidia.com/gpu.product=NVIDIA-L4"
    sandbox.kubectl("cordon", pool)
    try:
        waited = project.run("up", "--yes", "--skip-preview")
        (pod,) = sandbox.kubectl_json("get", "pods", scope)["items"]
        ended = {"terminated": {"exitCode": 3, "reason": "Error"}}
        container = {"name": "download", "image": "vllm", "imageID": "", "state": ended}
        container |= {"ready": False, "restartCount": 0}
        status = {"status": {"phase": "Failed", "containerStatuses": [container]}}
        sandbox.kubectl(
            *("patch", "pod", pod["metadata"]["name"], scope, "--subresource=status"),
            *("--type=merge", f"--patch={json.dumps(status)}"),
        )
        # An exit code that another attempt would not change: the Job makes no second pod.
        sandbox.eventually("PodFailurePolicy", "get", "jobs", scope, "--output=yaml")
    finally:
        sandbox.kubectl("uncordon", pool)
    assert waited.returncode != 0
    assert "deployment" not in sandbox.kubectl("get", "deployments", scope, "--output=name")
    (failed,) = sandbox.kubectl_json("get", "jobs", scope)["items"]
    project.up()
    (made,) = sandbox.kubectl_json("get", "jobs", scope)["items"]
    assert made["metadata"]["uid"] != failed["metadata"]["uid"]
    assert made["status"]["succeeded"] == 1
    assert sandbox.kubectl_json("get", "deployment", "vllm", scope)["status"]["readyReplicas"] == 1
    project.succeed("destroy", "--yes", "--skip-preview")


def test_two_apps_share_a_namespace_under_two_names_and_a_second_of_one_name_is_refused(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    with sandbox.namespace("llm-shared") as name:
        keys: dict[str, Any] = {
            "namespace": {"name": name, "create": False},
            "cache": {"enabled": False},
        }
        first, second = (a_project(tmp_path / each, sandbox, **keys) for each in ("one", "two"))
        first.up()
        server = ("deployment", "vllm", f"--namespace={name}")
        before = sandbox.kubectl_json("get", *server)["metadata"]
        second.stack_file.rename(second.folder / "Pulumi.other.yaml")
        second.succeed("stack", "init", "other")
        refused = second.run("up", "--yes", "--skip-preview")
        assert refused.returncode != 0
        assert f"name: 'vllm' is in namespace {name} already, made by the stack 'dev'" in (
            refused.stdout
        )
        second.succeed("config", "set", "name", "other")
        second.succeed("up", "--yes", "--skip-preview")
        assert (
            sandbox.kubectl_json("get", *server)["metadata"]["generation"] == (before["generation"])
        )
        second.succeed("destroy", "--yes", "--skip-preview")
        left = sandbox.kubectl_json("get", "deployments,services", f"--namespace={name}")["items"]
        assert {item["metadata"]["name"] for item in left} == {"vllm"}
        assert uid(sandbox, *server) == before["uid"]
        first.succeed("destroy", "--yes", "--skip-preview")


def test_on_a_full_pool_an_app_moves_to_another_namespace_and_takes_another_name(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    project = a_project(
        tmp_path,
        sandbox,
        # One node with one GPU.
        preset="amd-mi210-1",
        replicas=1,
        namespace={"name": "llm-here"},
        cache={"enabled": False},
        rollout={"startSeconds": 60},
    )

    def running() -> list[tuple[str, str]]:
        found = sandbox.kubectl_json("get", "deployments", "--all-namespaces")["items"]
        places = [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in found]
        return [place for place in places if place[0] in {"llm-here", "llm-there"}]

    project.up()
    project.succeed("config", "set", "namespace", json.dumps({"name": "llm-there"}))
    project.up()
    assert running() == [("llm-there", "vllm")]
    project.succeed("config", "set", "replicas", "0")
    project.up()
    project.succeed("config", "set", "name", "other")
    project.succeed("config", "set", "replicas", "1")
    project.up()
    assert running() == [("llm-there", "other")]
    project.succeed("destroy", "--yes", "--skip-preview")


def test_a_quota_that_forbids_the_server_is_what_the_diagnosis_names(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    limits = "--hard=requests.nvidia.com/gpu=0"
    with sandbox.namespace("llm-quota") as name:
        sandbox.kubectl("create", "quota", "gpus", limits, f"--namespace={name}")
        # Until its use is counted, a pod is refused for that.
        used = "--output=jsonpath={.status.used}"
        sandbox.eventually("nvidia.com/gpu", "get", "quota", "gpus", f"--namespace={name}", used)
        project = a_project(
            tmp_path,
            sandbox,
            namespace={"name": name, "create": False},
            cache={"enabled": False},
            rollout={"startSeconds": 10},
        )
        refused = project.run("up", "--yes", "--skip-preview")
        diagnosis = project.execute("python", "-m", "cluster", "diagnose", "--stack", STACK)
        project.succeed("destroy", "--yes", "--skip-preview")
    assert refused.returncode != 0
    assert "FailedCreate" in diagnosis.stdout
    assert "exceeded quota: gpus, requested: requests.nvidia.com/gpu=1" in diagnosis.stdout


def test_a_preview_names_each_secret_that_is_missing_or_lacks_its_entry(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    with sandbox.namespace("llm-secrets") as namespace:
        sandbox.kubectl(
            *("create", "secret", "generic", "hugging-face"),
            *("--from-literal=hf=not-a-real-token", f"--namespace={namespace}"),
        )
        said = a_project(
            tmp_path,
            sandbox,
            namespace={"name": namespace, "create": False},
            cache={"enabled": False},
            huggingFaceTokenSecret={"name": "hugging-face"},
            imagePullSecrets=["registry"],
        ).succeed("preview")
    assert f"imagePullSecrets[0]: there is no Secret 'registry' in namespace {namespace}" in said
    assert "huggingFaceTokenSecret.key: the Secret 'hugging-face' has no entry 'token'" in said
