"""The download Job on the sandbox: before the server, once for each revision, beside the volume."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from settings.preset_files import read_presets
from tests.cluster.sandboxes import Sandbox
from tests.cluster.test_program_core import AMD, NVIDIA, TOKEN, Deployed, new_project
from tests.program.recording import ROOT

pytestmark = pytest.mark.cluster

OTHER_REVISION = "b" * 40
A10G = "nvidia-a10g-1"
POOLS: dict[str, dict[str, str]] = {
    preset["name"]: preset["pool"]["nodeSelector"]
    for preset in read_presets(str(ROOT / "presets/sandbox.yaml"))
}
ONE_NODE = (
    ("preset", NVIDIA),
    ("autoscaling", '{"enabled": false}'),
    ("cache", '{"storageClass": "standard", "accessMode": "ReadWriteOnce", "retain": false}'),
)


@pytest.fixture(scope="module")
def deployed(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The dev stack with a cache that attaches to one node."""
    project = new_project(tmp_path_factory.mktemp("download"), sandbox)
    for key, value in ONE_NODE:
        project.succeed("config", "set", key, value)
    said = project.succeed("up", "--yes", "--skip-preview")
    yield Deployed(project=project, sandbox=sandbox, seconds=0.0, said=said)
    project.run("destroy", "--yes", "--skip-preview")


def the_job(deployed: Deployed) -> dict[str, Any]:
    (job,) = deployed.get("jobs")["items"]
    return job


def download_pod(deployed: Deployed) -> dict[str, Any]:
    selector = "--selector=app.kubernetes.io/component=download"
    (pod,) = deployed.get("pods", selector)["items"]
    return pod


def newest_replica_set(deployed: Deployed) -> dict[str, Any]:
    found = deployed.get("replicasets")["items"]
    return max(found, key=lambda item: item["metadata"]["creationTimestamp"])


def test_the_server_is_made_when_the_job_has_completed(deployed: Deployed) -> None:
    job = the_job(deployed)
    assert job["status"]["succeeded"] == 1
    created = deployed.get("deployment", "vllm")["metadata"]["creationTimestamp"]
    assert job["status"]["completionTime"] <= created


def test_the_pod_ran_on_the_server_s_pool_without_a_gpu(deployed: Deployed) -> None:
    pod = download_pod(deployed)
    assert deployed.node_labels(pod)["nvidia.com/gpu.product"] == "NVIDIA-L4"
    (container,) = pod["spec"]["containers"]
    assert not [name for name in container["resources"]["limits"] if "gpu" in name]


def test_a_second_up_runs_it_no_second_time(deployed: Deployed) -> None:
    uid = the_job(deployed)["metadata"]["uid"]
    deployed.project.succeed("up", "--yes", "--skip-preview", "--expect-no-changes")
    assert the_job(deployed)["metadata"]["uid"] == uid


def test_a_new_revision_is_one_new_job_beside_the_server_and_then_one_roll(
    deployed: Deployed,
) -> None:
    old, generation = (
        the_job(deployed),
        deployed.get("deployment", "vllm")["metadata"]["generation"],
    )
    server = deployed.running_pod()["spec"]["nodeName"]
    deployed.project.succeed("config", "set", "revision", OTHER_REVISION)
    deployed.project.up()
    job = the_job(deployed)
    assert job["metadata"]["name"] != old["metadata"]["name"]
    assert OTHER_REVISION in job["spec"]["template"]["spec"]["containers"][0]["args"]
    # One of six nodes of the pool, and the volume is attached there.
    assert download_pod(deployed)["spec"]["nodeName"] == server
    rolled = deployed.get("deployment", "vllm")["metadata"]["generation"]
    assert rolled == generation + 1
    roll = newest_replica_set(deployed)["metadata"]["creationTimestamp"]
    assert job["status"]["completionTime"] <= roll
    deployed.project.expect_no_changes()


def test_a_new_token_makes_another_job_and_leaves_the_server_running(deployed: Deployed) -> None:
    old, serving = the_job(deployed)["metadata"], newest_replica_set(deployed)["metadata"]
    deployed.project.succeed("config", "set", "--secret", "huggingFaceToken", given=TOKEN)
    deployed.project.up()
    new = the_job(deployed)["metadata"]
    assert new["uid"] != old["uid"]
    assert new["name"].rpartition("-")[0] == old["name"].rpartition("-")[0]
    assert new["creationTimestamp"] >= old["creationTimestamp"]
    assert newest_replica_set(deployed)["metadata"]["uid"] == serving["uid"]


@pytest.mark.parametrize("preset", [A10G, AMD, NVIDIA])
def test_a_move_to_another_pool_fills_the_volume_where_it_is_attached_and_then_rolls(
    deployed: Deployed, preset: str
) -> None:
    server = deployed.running_pod()["spec"]["nodeName"]
    deployed.project.succeed("config", "set", "preset", preset)
    deployed.project.up()
    assert download_pod(deployed)["spec"]["nodeName"] == server
    labels = deployed.node_labels(deployed.running_pod())
    assert labels.items() >= POOLS[preset].items()
    deployed.project.expect_no_changes()
