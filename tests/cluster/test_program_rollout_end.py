"""`pulumi up` ends with the rollout: once the new pod is ready, or with the reason why none is."""

import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.cluster.sandboxes import PATIENCE_SECONDS, Sandbox
from tests.pulumi_project import STACK, PulumiProject, committed_stack_file

pytestmark = pytest.mark.cluster

NAMESPACE = "llm-rollout-end"
SCOPE = f"--namespace={NAMESPACE}"
SERVER = "--selector=app.kubernetes.io/component=server"
HELD_SECONDS = 8.0
"""Far longer than the provider takes to be content, 0.5 s here."""


@pytest.fixture(scope="module")
def project(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PulumiProject]:
    """The dev stack's server alone, on a pool of one GPU."""
    folder = tmp_path_factory.mktemp("rollout-end")
    made = PulumiProject(
        folder=folder / "checkout", backend=folder / "backend", kubeconfig=sandbox.kubeconfig
    )
    made.check_out(committed_stack_file("dev"))
    made.succeed("stack", "init", STACK)
    keys: dict[str, object] = {
        "namespace": {"name": NAMESPACE},
        "preset": "amd-mi210-1",
        "maxModelLen": "16384",
        "cache": {"enabled": False},
        "autoscaling": {"enabled": False},
        "ingress": {"enabled": False},
        "rollout": {"startSeconds": 20, "drainSeconds": 0},
    }
    for key, value in keys.items():
        ask(made, key, value)
    made.up()
    yield made
    made.run("destroy", "--yes", "--skip-preview")


def ask(project: PulumiProject, key: str, value: object) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    project.succeed("config", "set", key, text)


def pods(sandbox: Sandbox) -> list[dict[str, Any]]:
    return sandbox.kubectl_json("get", "pods", SCOPE, SERVER)["items"]


def is_ready(pod: dict[str, Any]) -> bool:
    return {"Ready": "True"}.items() <= {
        each["type"]: each["status"] for each in pod["status"]["conditions"]
    }.items()


def up_while_the_old_pod_drains(
    sandbox: Sandbox, project: PulumiProject
) -> tuple[str, bool, subprocess.CompletedProcess[str]]:
    """Change the server; the old pod's name, whether `up` ended before it went, and that `up`.

    Were the old pod gone at once, the provider might see the new one in time by itself.
    """
    (old,) = (pod["metadata"]["name"] for pod in pods(sandbox))
    held = '{"metadata": {"finalizers": ["example.com/drains"]}}'
    sandbox.kubectl("patch", "pod", old, SCOPE, f"--patch={held}")
    with ThreadPoolExecutor() as beside:
        up = beside.submit(project.run, "up", "--yes", "--skip-preview")
        try:
            sandbox.eventually(
                "T", "get", "pod", old, SCOPE, "--output=jsonpath={..deletionTimestamp}"
            )
            time.sleep(HELD_SECONDS)
            ended = up.done()
        finally:
            free = '{"metadata": {"finalizers": null}}'
            sandbox.kubectl("patch", "pod", old, SCOPE, f"--patch={free}")
        return old, ended, up.result(PATIENCE_SECONDS)


def test_up_lasts_until_the_new_pod_has_taken_the_old_one_s_place(
    sandbox: Sandbox, project: PulumiProject
) -> None:
    ask(project, "maxModelLen", "8192")
    old, ended, up = up_while_the_old_pod_drains(sandbox, project)
    assert not ended
    assert up.returncode == 0, up.stdout + up.stderr
    (new,) = pods(sandbox)
    assert new["metadata"]["name"] != old
    assert is_ready(new)


def test_an_up_whose_new_pod_finds_no_node_fails_with_the_reason_and_a_later_one_mends_it(
    sandbox: Sandbox, project: PulumiProject
) -> None:
    ask(project, "nodeSelector", {"example.com/zone": "nowhere"})
    _, ended, failed = up_while_the_old_pod_drains(sandbox, project)
    assert not ended
    assert failed.returncode != 0
    said = failed.stdout + failed.stderr
    assert "the rollout of 'vllm' is not over after 4" in said, said
    assert "FailedScheduling" in said
    assert "example.com/zone is unset, the pod asks for nowhere" in said
    assert "Traceback" not in said
    again = project.run("up", "--yes", "--skip-preview")
    assert again.returncode != 0
    assert "the rollout of 'vllm' is not over after 4" in again.stdout + again.stderr
    ask(project, "nodeSelector", {})
    project.up()
    (pod,) = pods(sandbox)
    assert is_ready(pod)
    project.expect_no_changes()
