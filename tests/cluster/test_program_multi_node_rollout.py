"""`pulumi up` ends with the rollout of groups over several nodes, or with the reason why not.

The provider waits for nothing here: it waits for the first groups of a set alone (ADR 15).
"""

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.cluster.large_model import GROUP, large_project
from tests.cluster.sandboxes import PATIENCE_SECONDS, Sandbox
from tests.pulumi_project import PulumiProject

pytestmark = pytest.mark.cluster

NAMESPACE = "llm-groups"
SCOPE = f"--namespace={NAMESPACE}"
SERVER = "--selector=app.kubernetes.io/component=server"
UPDATE_SECONDS = 2 * (20 + 2 * 20)
"""Of two groups: a start of 20 s each, and 20 s for its leader to stop, then for its worker."""

HELD_SECONDS = 8.0
"""Far longer than an `up` takes that waits for nothing."""


@pytest.fixture(scope="module")
def project(
    full_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PulumiProject]:
    """Two groups, deployed by `pulumi up`, which fill their pool."""
    made = large_project(
        tmp_path_factory.mktemp("groups"),
        full_sandbox,
        namespace=NAMESPACE,
        cache={"enabled": False},
        ingress={"enabled": False},
        rollout={"startSeconds": 20, "drainSeconds": 0},
    )
    made.up()
    yield made
    made.run("destroy", "--yes", "--skip-preview")


def pods(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    items = sandbox.kubectl_json("get", "pods", SCOPE, SERVER)["items"]
    return {pod["metadata"]["uid"]: pod for pod in items}


def ready_groups(sandbox: Sandbox) -> list[str]:
    """The group of each pod that is ready."""
    return sorted(
        pod["metadata"]["labels"][GROUP]
        for pod in pods(sandbox).values()
        if {"type": "Ready", "status": "True"}.items()
        <= next(each for each in pod["status"]["conditions"] if each["type"] == "Ready").items()
    )


def up_while_the_last_group_stops(
    sandbox: Sandbox, project: PulumiProject
) -> tuple[bool, subprocess.CompletedProcess[str]]:
    """Whether `up` ended before the last old group was gone, and that `up`.

    The group of the lowest index is the last to be replaced.
    """
    old = ("pod", "vllm-group-0", SCOPE)
    sandbox.kubectl("patch", *old, '--patch={"metadata": {"finalizers": ["example.com/stops"]}}')
    with ThreadPoolExecutor() as beside:
        try:
            up = beside.submit(project.run, "up", "--yes", "--skip-preview")
            sandbox.eventually("T", "get", *old, "--output=jsonpath={..deletionTimestamp}")
            time.sleep(HELD_SECONDS)
            ended = up.done()
        finally:
            sandbox.kubectl("patch", *old, '--patch={"metadata": {"finalizers": null}}')
        return ended, up.result(PATIENCE_SECONDS)


def test_up_lasts_until_the_last_group_s_new_pods_are_ready(
    full_sandbox: Sandbox, project: PulumiProject
) -> None:
    before = set(pods(full_sandbox))
    project.configure(maxModelLen=65536)
    ended, up = up_while_the_last_group_stops(full_sandbox, project)
    assert not ended
    assert up.returncode == 0, up.stdout + up.stderr
    assert ready_groups(full_sandbox) == ["0", "0", "1", "1"]
    now = pods(full_sandbox)
    assert not before & set(now)
    for pod in now.values():
        args = pod["spec"]["containers"][0]["args"]
        assert args[args.index("--max-model-len") + 1] == "65536"


def test_up_lasts_until_the_groups_that_are_added_are_ready(
    full_sandbox: Sandbox, project: PulumiProject
) -> None:
    project.configure(replicas=1)
    project.up()
    assert ready_groups(full_sandbox)[:2] == ["0", "0"]
    gone = ("pod/vllm-group-1", "pod/vllm-group-1-1", f"--timeout={PATIENCE_SECONDS:.0f}s")
    full_sandbox.kubectl("wait", "--for=delete", SCOPE, *gone)
    project.configure(replicas=2)
    project.up()
    assert ready_groups(full_sandbox) == ["0", "0", "1", "1"]


def test_an_up_whose_new_groups_find_no_node_fails_with_the_reason_and_a_later_one_mends_it(
    full_sandbox: Sandbox, project: PulumiProject
) -> None:
    project.configure(nodeSelector={"example.com/zone": "nowhere"})
    began = time.monotonic()
    failed = project.run("up", "--yes", "--skip-preview")
    assert time.monotonic() - began < UPDATE_SECONDS + PATIENCE_SECONDS / 3
    assert failed.returncode != 0
    said = failed.stdout + failed.stderr
    assert f"the rollout of 'vllm' is not over after {UPDATE_SECONDS} s" in said, said
    assert "FailedScheduling" in said
    assert "example.com/zone is unset, the pod asks for nowhere" in said
    assert "Traceback" not in said
    project.configure(nodeSelector={})
    project.up()
    assert ready_groups(full_sandbox) == ["0", "0", "1", "1"]
    project.expect_no_changes()
