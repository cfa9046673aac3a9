"""The cache's life on the sandbox: no change deletes its claim, and a new stack takes it over."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.sandboxes import Sandbox
from tests.pulumi_project import ROOT, STACK, PulumiProject, committed_stack_file

pytestmark = pytest.mark.cluster

NAMESPACE = "llm-cache"
CLAIM = "vllm-cache"
SUCCESSOR = "successor"
SERVER = "app.kubernetes.io/instance=vllm,app.kubernetes.io/component=server"
KEPT: dict[str, Any] = {"storageClass": "standard"}
STORAGES: dict[str, dict[str, Any]] = {
    "nfs": {"server": "nas.example.com", "path": "/models"},
    "hostPath": {"path": "/mnt/models"},
    "csi": {"driver": "files.example.com", "volumeAttributes": {"share": "models"}},
    "existingClaim": {"claimName": "shared"},
    "apolo": {"cluster": "novoserve", "org": "acme", "project": "chat"},
    "none": {"size": "20Gi"},
}
LEVELS = {"nfs": "baseline", "hostPath": "privileged", "apolo": "baseline"}
SHARED_CLAIM = f"""\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: shared, namespace: {NAMESPACE}}}
spec:
  accessModes: [ReadWriteMany]
  resources: {{requests: {{storage: 40Gi}}}}
"""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A stack with a retained cache, and its cluster."""

    project: PulumiProject
    sandbox: Sandbox

    def get(self, *arguments: str) -> Any:
        """Objects of the app's namespace."""
        return self.sandbox.kubectl_json("get", f"--namespace={NAMESPACE}", *arguments)

    def claim(self) -> tuple[str, str]:
        """Identity and size of the claim."""
        found = self.get("persistentvolumeclaim", CLAIM)
        return found["metadata"]["uid"], found["spec"]["resources"]["requests"]["storage"]

    def kinds(self) -> set[str]:
        """Kinds of the app's objects in the namespace."""
        selector = "--selector=app.kubernetes.io/instance=vllm"
        found = self.get("deployment,service,serviceaccount,pvc", selector)["items"]
        return {item["kind"] for item in found}

    def keep(self, **cache: object) -> None:
        """Ask for a cache."""
        self.project.succeed("config", "set", "cache", json.dumps(cache))

    def level(self) -> str:
        """The Pod Security level of the namespace."""
        found = self.sandbox.kubectl_json("get", "namespace", NAMESPACE)
        return found["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]


def configure(project: PulumiProject) -> None:
    for key, value in (
        ("namespace", {"name": NAMESPACE}),
        ("autoscaling", {"enabled": False}),
        ("ingress", {"enabled": False}),
        ("cache", KEPT),
    ):
        project.succeed("config", "set", key, json.dumps(value))


@pytest.fixture(scope="module")
def kept(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """The dev stack with a protected cache, as staging and prod have it."""
    folder = tmp_path_factory.mktemp("cache")
    project = PulumiProject(
        folder=folder / "checkout", backend=folder / "backend", kubeconfig=sandbox.kubeconfig
    )
    project.check_out(committed_stack_file("dev"))
    project.succeed("stack", "init", STACK)
    configure(project)
    project.up()
    yield Kept(project=project, sandbox=sandbox)
    sandbox.kubectl("delete", "namespace", NAMESPACE, "--wait=false", "--ignore-not-found")


@pytest.mark.parametrize("storage", STORAGES)
def test_a_change_of_storage_leaves_the_claim_and_its_pods_are_admitted(
    kept: Kept, storage: str
) -> None:
    before = kept.claim()
    if storage == "existingClaim":
        kept.sandbox.apply(SHARED_CLAIM)
    kept.keep(storage=storage, **STORAGES[storage])
    said = kept.project.up()
    assert f"the claim '{CLAIM}' (30Gi) stays" in said
    assert kept.claim() == before
    assert kept.level() == LEVELS.get(storage, "restricted")
    (pod,) = [
        pod
        for pod in kept.get("pods", f"--selector={SERVER}")["items"]
        if "deletionTimestamp" not in pod["metadata"]
    ]
    assert pod["status"]["phase"] == "Running"
    kept.project.expect_no_changes()


def test_a_claim_that_is_not_retained_stays_through_a_change_of_storage_too(kept: Kept) -> None:
    before = kept.claim()
    kept.keep(**KEPT, retain=False)
    kept.project.up()
    kept.keep(storage="nfs", **STORAGES["nfs"])
    kept.project.up()
    assert kept.claim() == before
    kept.keep(**KEPT)
    kept.project.up()
    assert kept.claim() == before


def test_another_class_is_refused_and_the_claim_stays(kept: Kept) -> None:
    before = kept.claim()
    kept.keep(storageClass="standard-rwx")
    refused = kept.project.run("up", "--yes", "--skip-preview")
    assert refused.returncode != 0
    assert "cache.storageClass: standard-rwx is not the standard" in refused.stdout
    assert kept.claim() == before
    kept.keep(**KEPT)


def test_a_claim_grows_when_asked(kept: Kept) -> None:
    uid, _ = kept.claim()
    kept.keep(**KEPT, size="80Gi")
    kept.project.up()
    assert kept.claim() == (uid, "80Gi")
    kept.keep(**KEPT)
    kept.project.up()
    assert kept.claim() == (uid, "80Gi")


def test_destroy_refuses_a_protected_cache_before_it_deletes_anything(kept: Kept) -> None:
    before = kept.kinds()
    refused = kept.project.run("destroy", "--yes")
    assert refused.returncode != 0
    assert "pulumi state unprotect" in refused.stdout + refused.stderr
    assert kept.kinds() == before >= {"Deployment", "PersistentVolumeClaim"}


def test_destroy_without_what_is_protected_keeps_the_claim_and_up_goes_on_with_it(
    kept: Kept,
) -> None:
    before = kept.claim()
    kept.project.succeed("destroy", "--yes", "--exclude-protected")
    assert kept.kinds() == {"PersistentVolumeClaim"}
    assert kept.claim() == before
    kept.project.up()
    assert kept.claim() == before


def make_destroy(kept: Kept) -> subprocess.CompletedProcess[str]:
    """Run the recipe of the Makefile in the environment of these tests."""
    tools = kept.project.folder / "tools"
    if not tools.exists():
        tools.symlink_to(ROOT / "tools")
    installed = ("--old-file=packages", "--old-file=engine", "IN_ENV=")
    return kept.project.execute(
        "make", f"--makefile={ROOT / 'Makefile'}", *installed, f"STACK={STACK}", "destroy"
    )


def test_make_destroy_leaves_the_claim_and_says_how_it_is_adopted_or_deleted(kept: Kept) -> None:
    before = kept.claim()
    # Again, when nothing but the claim is left.
    for _ in range(2):
        done = make_destroy(kept)
        assert done.returncode == 0, done.stdout + done.stderr
        assert kept.kinds() == {"PersistentVolumeClaim"}
        assert f"The claim '{CLAIM}' in namespace {NAMESPACE} stays" in done.stderr
        assert "'pulumi config set --path cache.adopt true'" in done.stderr
        assert f"'kubectl delete pvc {CLAIM} --namespace {NAMESPACE}'" in done.stderr
    kept.project.up()
    assert kept.claim() == before


def test_make_destroy_that_fails_ends_with_pulumi_s_own_words(kept: Kept) -> None:
    backend = kept.project.backend
    without = replace(kept, project=replace(kept.project, backend=backend.with_name("none")))
    without.project.backend.mkdir(exist_ok=True)
    done = make_destroy(without)
    assert done.returncode != 0
    assert "no stack named" in done.stderr
    assert "cache.adopt" not in done.stdout + done.stderr


def test_another_stack_adopts_the_claim_and_the_namespace_when_told_to(kept: Kept) -> None:
    before = kept.claim()
    kept.project.succeed("destroy", "--yes", "--exclude-protected")
    kept.project.succeed("stack", "rm", "--force", "--yes", STACK)
    successor = successor_of(kept.project)
    refused = successor.run("up", "--yes", "--skip-preview")
    assert refused.returncode != 0
    assert f"cache.adopt: the claim '{CLAIM}' exists in namespace {NAMESPACE}" in refused.stdout
    assert "set cache.adopt to true" in refused.stdout
    assert kept.kinds() == {"PersistentVolumeClaim"}
    successor.succeed("config", "set", "cache", json.dumps(KEPT | {"adopt": True}))
    said = successor.succeed("up", "--yes", "--skip-preview")
    assert f"the claim '{CLAIM}' ({before[1]}) becomes this stack's" in said
    assert kept.claim() == before
    successor.expect_no_changes()
    successor.succeed("config", "set", "cache", json.dumps(KEPT))
    successor.expect_no_changes()
    assert (
        kept.get("persistentvolumeclaim", CLAIM)["metadata"]["annotations"]["mistral-vllm/stack"]
        == SUCCESSOR
    )
    # Unprotected, the whole stack goes, and the files stay all the same.
    successor.succeed("state", "unprotect", "--all", "--yes")
    successor.succeed("destroy", "--yes", "--skip-preview")
    assert kept.claim() == before


def successor_of(project: PulumiProject) -> PulumiProject:
    """A stack of another name and with a state of its own, whose images are other ones."""
    text = committed_stack_file("dev")
    (project.folder / f"Pulumi.{SUCCESSOR}.yaml").write_text(text)
    backend = Path(f"{project.backend}-{SUCCESSOR}")
    backend.mkdir()
    successor = replace(project, backend=backend)
    successor.succeed("stack", "init", SUCCESSOR)
    configure(successor)
    # Another version in the labels, which the first stack's field manager set to its own.
    successor.succeed("config", "set", "image", "vllm/vllm-openai:v0.20.2")
    return successor
