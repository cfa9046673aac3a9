"""`pulumi up` ends with the rollout: once the new pod is ready, or with the reason why none is.

The provider waits for nothing here, since it takes the old pods' conditions for those of the new
ones in some runs only (ADR 15); what is left is the program's own wait.
"""

import os
import signal
import subprocess
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tests.cluster.sandboxes import PATIENCE_SECONDS, Sandbox
from tests.pulumi_project import STACK, PulumiProject, committed_stack_file

pytestmark = pytest.mark.cluster

NAMESPACE = "llm-rollout-end"
SCOPE = f"--namespace={NAMESPACE}"
SERVER = "--selector=app.kubernetes.io/component=server"
HELD_SECONDS = 8.0
"""Far longer than an `up` takes that waits for nothing, 3 s here."""

LATE_SECONDS = 15.0
"""Far shorter than the 40 s of an update, far longer than an end takes, 0.6 s here."""


@pytest.fixture(scope="module")
def project(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PulumiProject]:
    """The dev stack's server alone, on a pool of one GPU."""
    folder = tmp_path_factory.mktemp("rollout-end")
    made = PulumiProject(
        folder=folder / "checkout", backend=folder / "backend", kubeconfig=sandbox.kubeconfig
    )
    made.check_out(committed_stack_file("dev")).await_no_model()
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
    made.configure(**keys)
    made.up()
    yield made
    made.run("destroy", "--yes", "--skip-preview")


def pods(sandbox: Sandbox) -> list[dict[str, Any]]:
    return sandbox.kubectl_json("get", "pods", SCOPE, SERVER)["items"]


def is_ready(pod: dict[str, Any]) -> bool:
    return {"Ready": "True"}.items() <= {
        each["type"]: each["status"] for each in pod["status"]["conditions"]
    }.items()


@contextmanager
def draining(sandbox: Sandbox) -> Generator[str]:
    """Keep the old pod, which has the name given, after it was told to stop."""
    (old,) = (pod["metadata"]["name"] for pod in pods(sandbox))
    held = '{"metadata": {"finalizers": ["example.com/drains"]}}'
    sandbox.kubectl("patch", "pod", old, SCOPE, f"--patch={held}")
    try:
        yield old
    finally:
        free = '{"metadata": {"finalizers": null}}'
        sandbox.kubectl("patch", "pod", old, SCOPE, f"--patch={free}")


def wait_told_to_stop(sandbox: Sandbox, pod: str) -> None:
    sandbox.eventually("T", "get", "pod", pod, SCOPE, "--output=jsonpath={..deletionTimestamp}")


def up_while_the_old_pod_drains(
    sandbox: Sandbox, project: PulumiProject
) -> tuple[str, bool, subprocess.CompletedProcess[str]]:
    """Change the server; the old pod's name, whether `up` ended before it went, and that `up`."""
    with ThreadPoolExecutor() as beside:
        with draining(sandbox) as old:
            up = beside.submit(project.run, "up", "--yes", "--skip-preview")
            wait_told_to_stop(sandbox, old)
            time.sleep(HELD_SECONDS)
            ended = up.done()
        return old, ended, up.result(PATIENCE_SECONDS)


def test_up_lasts_until_the_new_pod_has_taken_the_old_one_s_place(
    sandbox: Sandbox, project: PulumiProject
) -> None:
    project.configure(maxModelLen="8192")
    old, ended, up = up_while_the_old_pod_drains(sandbox, project)
    assert not ended
    assert up.returncode == 0, up.stdout + up.stderr
    (new,) = pods(sandbox)
    assert new["metadata"]["name"] != old
    assert is_ready(new)


def test_an_interrupted_up_ends_at_once_and_the_next_one_waits_in_its_place(
    sandbox: Sandbox, project: PulumiProject
) -> None:
    project.configure(maxModelLen="4096")
    with draining(sandbox) as old:
        up = subprocess.Popen(
            ("pulumi", "--non-interactive", "up", "--yes", "--skip-preview"),
            cwd=project.folder,
            env=project.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            wait_told_to_stop(sandbox, old)
            time.sleep(HELD_SECONDS)
            # As a terminal does, to `pulumi` and the program it runs.
            os.killpg(up.pid, signal.SIGINT)
            assert up.wait(LATE_SECONDS) != 0
        finally:
            up.kill()
    project.up()
    (new,) = pods(sandbox)
    assert new["metadata"]["name"] != old
    assert is_ready(new)


def test_an_up_whose_new_pod_finds_no_node_fails_with_the_reason_and_a_later_one_mends_it(
    sandbox: Sandbox, project: PulumiProject
) -> None:
    project.configure(nodeSelector={"example.com/zone": "nowhere"})
    failed = project.run("up", "--yes", "--skip-preview")
    assert failed.returncode != 0
    said = failed.stdout + failed.stderr
    assert "the rollout of 'vllm' is not over after 4" in said, said
    assert "FailedScheduling" in said
    assert "example.com/zone is unset, the pod asks for nowhere" in said
    assert "Traceback" not in said
    again = project.run("up", "--yes", "--skip-preview")
    assert again.returncode != 0
    assert "the rollout of 'vllm' is not over after 4" in again.stdout + again.stderr
    project.configure(nodeSelector={})
    project.up()
    (pod,) = pods(sandbox)
    assert is_ready(pod)
    project.expect_no_changes()
