"""The download Job as it goes to the cluster: its program, its pod, and what it waits for."""

import json
import re
from typing import Any

from downloader import hub
from manifests.download import FINAL_EXIT_CODES
from settings.stack_files import read_stack_file
from tests.program.recording import ROOT, Recording, run_program, run_stack_file

TOKEN = "hf_NotARealTokenButLongEnough"
ALONE = {"autoscaling": {"enabled": False}, "cache": {"accessMode": "ReadWriteOnce"}}


def dev(**overrides: object) -> Recording:
    return run_stack_file("dev", overrides)


def pod_spec(recording: Recording) -> dict[str, Any]:
    return recording.only(":Job").inputs["spec"]["template"]["spec"]


def container(recording: Recording) -> dict[str, Any]:
    (only,) = pod_spec(recording)["containers"]
    return only


def test_the_pod_asks_for_no_gpu_and_satisfies_the_restricted_standard() -> None:
    recording = dev()
    spec, only = pod_spec(recording), container(recording)
    assert set(only["resources"]["requests"]) == {"cpu", "memory"}
    assert set(only["resources"]["limits"]) == {"memory"}
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert spec["automountServiceAccountToken"] is False
    assert all({"emptyDir", "persistentVolumeClaim", "configMap"} & set(v) for v in spec["volumes"])
    mounted = {mount["name"] for mount in only["volumeMounts"]}
    assert mounted == {volume["name"] for volume in spec["volumes"]}


def test_a_variable_of_a_secret_reaches_the_server_and_the_job_only_for_a_transfer() -> None:
    source = {"name": "outside", "key": "value"}
    recording = dev(
        extraEnv={"HTTPS_PROXY": source, "OPENAI_API_KEY": source}, network={"enabled": False}
    )
    expected = {"secretKeyRef": {"name": "outside", "key": "value"}}
    server = recording.only(":Deployment").inputs["spec"]["template"]["spec"]["containers"][0]
    found = [
        {v["name"]: v["valueFrom"] for v in one["env"] if v.get("valueFrom") == expected}
        for one in (server, container(recording))
    ]
    assert [set(names) for names in found] == [{"HTTPS_PROXY", "OPENAI_API_KEY"}, {"HTTPS_PROXY"}]


def test_the_config_map_holds_the_program_that_the_tests_run() -> None:
    recording = dev()
    program = recording.only(":ConfigMap")
    files = {file.name: file.read_text() for file in (ROOT / "downloader").glob("*.py")}
    assert program.inputs["data"] == files
    assert "name" not in program.inputs["metadata"]
    (volume,) = [v for v in pod_spec(recording)["volumes"] if v["name"] == "program"]
    assert "vllm-server-download-program" in json.dumps(volume["configMap"]["name"])
    paths = {item["key"]: item["path"] for item in volume["configMap"]["items"]}
    assert paths == {name: f"downloader/{name}" for name in files}
    only = container(recording)
    assert only["command"] == ["python3", "-m", "downloader"]
    assert only["workingDir"] in {mount["mountPath"] for mount in only["volumeMounts"]}


def test_it_writes_where_the_server_reads() -> None:
    recording = dev()
    (server,) = recording.only(":Deployment").inputs["spec"]["template"]["spec"]["containers"]
    only = container(recording)
    assert only["image"] == server["image"]

    def cache(spec: dict[str, Any]) -> tuple[object, object]:
        environment = {v["name"]: v.get("value") for v in spec["env"]}
        (mount,) = [m for m in spec["volumeMounts"] if m["name"] == "cache"]
        return environment["HF_HOME"], mount["mountPath"]

    assert cache(only) == cache(server)


def test_pulumi_gives_up_before_the_job_takes_its_pod_away() -> None:
    job = dev().only(":Job")
    waits = int(job.create_timeout.removesuffix("s"))
    assert waits < job.inputs["spec"]["activeDeadlineSeconds"]
    assert job.update_timeout == job.create_timeout


def test_a_finished_job_stays_and_a_failed_one_is_made_anew() -> None:
    job = dev().only(":Job").inputs
    assert "ttlSecondsAfterFinished" not in job["spec"]
    assert "name" not in job["metadata"]
    assert job["metadata"]["annotations"] == {"pulumi.com/replaceUnready": "true"}
    rendered = dev(kubernetes={"renderTo": "rendered"}).only(":Job").inputs
    assert "annotations" not in rendered["metadata"]


def test_no_further_attempt_follows_where_it_would_end_alike() -> None:
    spec = dev().only(":Job").inputs["spec"]
    assert FINAL_EXIT_CODES == (hub.NO_ACCESS, hub.NOT_FOUND, hub.DISK_FULL, hub.NOT_WRITABLE)
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    rules = spec["podFailurePolicy"]["rules"]
    assert rules[0] == {
        "action": "FailJob",
        "onExitCodes": {
            "containerName": "download",
            "operator": "In",
            "values": list(FINAL_EXIT_CODES),
        },
    }
    assert rules[1]["action"] == "Ignore"
    assert spec["backoffLimit"] > 0


def test_on_a_volume_of_one_node_the_pod_goes_to_the_server_s_node() -> None:
    recording = dev(**ALONE)
    spec = pod_spec(recording)
    server = recording.only(":Deployment").inputs["spec"]["template"]
    assert spec["nodeSelector"] == server["spec"]["nodeSelector"]
    ((term,),) = spec["affinity"]["podAffinity"].values()
    labels = recording.only(":Job").inputs["spec"]["template"]["metadata"]["labels"]
    # The server's pod attracts it, and its own labels let it go anywhere while there is none.
    for pod in (labels, server["metadata"]["labels"]):
        assert term["labelSelector"]["matchLabels"].items() <= pod.items()
        (either,) = term["labelSelector"]["matchExpressions"]
        assert pod[either["key"]] in either["values"]
    assert term["topologyKey"] == "kubernetes.io/hostname"


def test_no_service_and_no_deployment_takes_the_pod_for_a_server() -> None:
    recording = dev(**ALONE)
    labels = recording.only(":Job").inputs["spec"]["template"]["metadata"]["labels"]
    (service,) = [r for r in recording.of_type(":Service") if r.name.endswith("server-service")]
    deployment = recording.only(":Deployment").inputs["spec"]
    for selector in (service.inputs["spec"]["selector"], deployment["selector"]["matchLabels"]):
        assert not selector.items() <= labels.items()


def test_the_job_reads_the_token_from_its_secret() -> None:
    raw = read_stack_file(ROOT / "Pulumi.dev.yaml").raw | {"huggingFaceToken": TOKEN}
    recording = run_program(raw, secret=frozenset({"huggingFaceToken"}), stack="dev", preview=False)
    (variable,) = [v for v in container(recording)["env"] if v["name"] == "HF_TOKEN"]
    assert "vllm-server-token" in json.dumps(variable["valueFrom"]["secretKeyRef"]["name"])
    assert TOKEN not in json.dumps(recording.only(":Job").inputs)


def test_without_a_cache_there_is_neither_job_nor_program() -> None:
    recording = dev(cache={"enabled": False})
    assert recording.of_type(":Job") == []
    assert recording.of_type(":ConfigMap") == []


def test_the_name_shows_what_is_fetched() -> None:
    first, second = (dev(revision=letter * 40).only(":Job").name for letter in "ab")
    assert first != second
    assert re.fullmatch(r"vllm-download-[0-9a-f]{8}", first)
