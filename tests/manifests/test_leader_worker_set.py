"""The objects of a model over several nodes, as they go to the cluster."""

import json
from typing import Any

import pytest

from settings.stack_files import read_stack_file
from tests.program.recording import ROOT, Recording, run_program, run_stack_file

LARGE: dict[str, object] = {
    "model": "mistral-large-3",
    "preset": "nvidia-h100-8",
    "multiNode": {"maxNodes": 2},
    "cache": {"accessMode": "ReadWriteMany"},
    "autoscaling": {"enabled": False},
}
INDEX = "leaderworkerset.sigs.k8s.io/worker-index"
TOKEN = "hf_NotARealTokenButLongEnough"


def large(**keys: object) -> Recording:
    return run_stack_file("dev", LARGE | keys)


def workload(recording: Recording) -> dict[str, Any]:
    return recording.only(":LeaderWorkerSet").inputs["spec"]


def template(recording: Recording, role: str) -> dict[str, Any]:
    return workload(recording)["leaderWorkerTemplate"][f"{role}Template"]


def test_a_group_of_two_pods_replaces_the_deployment() -> None:
    recording = large(replicas=2)
    assert not [request for request in recording.requests if request.type.endswith(":Deployment")]
    spec = workload(recording)
    assert (spec["replicas"], spec["leaderWorkerTemplate"]["size"]) == (2, 2)
    # The leader waits for its workers, so workers that waited for it would never start.
    assert spec["startupPolicy"] == "LeaderCreated"
    assert spec["leaderWorkerTemplate"]["restartPolicy"] == "RecreateGroupOnPodRestart"


def test_up_waits_for_the_groups_within_the_start_budget() -> None:
    request = large().only(":LeaderWorkerSet")
    annotations = request.inputs["metadata"]["annotations"]
    available = 'jsonpath={.status.conditions[?(@.type=="Available")].type}'
    assert annotations == {"pulumi.com/waitFor": available}
    keyed = large(ingress={"host": "a.localhost", "auth": "apiKey"}).only(":LeaderWorkerSet")
    # What follows the servers that ask for keys waits for as much as the provider can tell.
    annotations = keyed.inputs["metadata"]["annotations"]
    assert annotations == {"pulumi.com/waitFor": "condition=Available"}
    probe = template(large(), "leader")["spec"]["containers"][0]["startupProbe"]
    assert 0 <= probe["failureThreshold"] * 10 - int(request.create_timeout.rstrip("s")) <= 10


@pytest.mark.parametrize(("replicas", "surge"), [(1, 0), (2, 0)])
def test_a_group_surges_only_where_the_pool_has_room_for_a_whole_one_and_it_is_not_alone(
    replicas: int, surge: int
) -> None:
    # The pool has four nodes: room for two groups. The operator makes none beside a single one.
    update = workload(large(replicas=replicas))["rolloutStrategy"]["rollingUpdateConfiguration"]
    assert (update["maxSurge"], update["maxUnavailable"]) == (surge, 1 - surge)


def test_leader_and_worker_differ_in_their_arguments_and_in_what_serves_http() -> None:
    recording = large()
    pods = [template(recording, role)["spec"] for role in ("leader", "worker")]
    leader, worker = (pod.pop("containers")[0] for pod in pods)
    assert pods[0] == pods[1]
    served = {"args", "lifecycle", "livenessProbe", "ports", "readinessProbe", "startupProbe"}
    assert leader.keys() - worker.keys() == served - {"args", "lifecycle"}
    assert all(leader[key] == worker[key] for key in leader.keys() - served)
    assert worker["args"] == [
        *("$(LWS_WORKER_INDEX)" if before == "--node-rank" else argument
          for before, argument in zip(["", *leader["args"]], leader["args"], strict=False)),
        "--headless",
    ]  # fmt: skip


def test_a_worker_outlasts_the_drain_of_its_leader() -> None:
    leader, worker = (template(large(), role)["spec"] for role in ("leader", "worker"))
    args = leader["containers"][0]["args"]
    timeout = int(args[args.index("--shutdown-timeout") + 1])
    slept = [
        pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"] for pod in (leader, worker)
    ]
    assert slept[1] >= slept[0] + timeout
    assert slept[1] < worker["terminationGracePeriodSeconds"]


def test_each_pod_asks_for_the_preset_of_one_node() -> None:
    for role in ("leader", "worker"):
        spec = template(large(), role)["spec"]
        (container,) = spec["containers"]
        assert container["resources"]["limits"]["nvidia.com/gpu"] == "8"
        assert spec["nodeSelector"]["nvidia.com/gpu.product"] == "NVIDIA-H100-80GB-HBM3"


def test_the_service_selects_leaders_by_labels_that_they_have() -> None:
    recording = large()
    services = [
        request.inputs["spec"]["selector"]
        for request in recording.of_type(":Service")
        if "selector" in request.inputs["spec"]
    ]
    (selector,) = services
    assert selector.pop(INDEX) == "0"
    for role in ("leader", "worker"):
        assert selector.items() <= template(recording, role)["metadata"]["labels"].items()


def test_a_token_reaches_every_pod_by_reference_where_each_downloads_the_model() -> None:
    own = LARGE | {"cache": {"enabled": False}}
    texts = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in own.items()
    }
    raw = read_stack_file(ROOT / "Pulumi.dev.yaml").raw | texts | {"huggingFaceToken": TOKEN}
    secret = frozenset({"huggingFaceToken"})
    recording = run_program(raw, secret=secret, stack="dev", preview=False)
    for role in ("leader", "worker"):
        env = template(recording, role)["spec"]["containers"][0]["env"]
        (found,) = [item for item in env if item["name"] == "HF_TOKEN"]
        assert found["valueFrom"]["secretKeyRef"]["key"] == "token"
    assert TOKEN not in str(recording.only(":LeaderWorkerSet").inputs)


def test_the_outputs_count_all_gpus_and_nodes() -> None:
    outputs = large().outputs
    assert outputs["gpus"] == 16
    assert outputs["hourlyPrice"] == 72
