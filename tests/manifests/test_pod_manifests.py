"""The server's pod as it goes to the cluster: security, probes, resources, image, token."""

import getpass
import json
import pwd
from pathlib import Path
from typing import Any

import pytest
import yaml

from planning.devices import device_of
from planning.names import PORT
from settings.models import Preset
from settings.stack_files import read_stack_file
from tests.choices import GPUS
from tests.manifests.dev_stack import container, dev, pod_spec
from tests.program.recording import ROOT, Recording, run_program

PRESETS: list[dict[str, Any]] = yaml.safe_load((ROOT / "presets/sandbox.yaml").read_text())[
    "presets"
]
TOKEN = "hf_NotARealTokenButLongEnough"
PROBE_SLACK_SECONDS = 10
"""A probe's budget is whole periods, so it may exceed the start budget by one."""


def seconds(probe: dict[str, Any]) -> int:
    return int(probe["failureThreshold"] * probe["periodSeconds"])


@pytest.mark.parametrize("preset", ["nvidia-l4-1", "amd-mi300x-1"])
def test_the_pods_satisfy_the_restricted_pod_security_standard(preset: str) -> None:
    recording = dev(preset=preset)
    spec, only = pod_spec(recording), container(recording)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] != 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert only["securityContext"]["allowPrivilegeEscalation"] is False
    assert only["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert all({"emptyDir", "persistentVolumeClaim"} & set(v) for v in spec["volumes"])
    labels = recording.only(":Namespace").inputs["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_container_writes_to_volumes_only() -> None:
    recording = dev()
    only = container(recording)
    assert only["securityContext"]["readOnlyRootFilesystem"] is True
    mounted = {mount["name"]: mount["mountPath"] for mount in only["volumeMounts"]}
    assert {volume["name"] for volume in pod_spec(recording)["volumes"]} == set(mounted)
    environment = {v["name"]: v.get("value") for v in only["env"]}
    assert environment["HOME"] in mounted.values()
    assert environment["HF_HOME"] in mounted.values()
    assert {"/tmp", "/dev/shm"} <= set(mounted.values())  # noqa: S108 - the container's own


@pytest.mark.parametrize("preset", ["nvidia-l4-1", "nvidia-v100-16-1", "amd-mi300x-1"])
def test_the_user_has_a_name_in_an_image_that_knows_none_for_the_uid(
    preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = container(dev(preset=preset, model="voxtral-mini-3b", dtype="float16"))
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    for variable in only["env"]:
        monkeypatch.setenv(variable["name"], variable.get("value", ""))
    users: dict[int, object] = {}
    monkeypatch.setattr(pwd, "getpwuid", users.__getitem__)
    # What torch does as it is imported (torch/_inductor/runtime/cache_dir_utils.py).
    assert getpass.getuser()


def test_the_pod_holds_no_credentials_of_the_cluster() -> None:
    recording = dev()
    assert pod_spec(recording)["automountServiceAccountToken"] is False
    assert recording.only(":ServiceAccount").inputs["automountServiceAccountToken"] is False


@pytest.mark.parametrize("start_seconds", [None, 10, 45, 3600])
def test_probe_and_deadline_come_from_the_one_start_budget(start_seconds: int | None) -> None:
    recording = dev(rollout={"startSeconds": start_seconds}) if start_seconds else dev()
    budget = int(recording.only(":Deployment").create_timeout.removesuffix("s"))
    assert budget == start_seconds or start_seconds is None
    spec = recording.only(":Deployment").inputs["spec"]
    # A pod of a rollout starts when the one before it has drained.
    grace = pod_spec(recording)["terminationGracePeriodSeconds"]
    assert spec["progressDeadlineSeconds"] == budget + grace
    startup = container(recording)["startupProbe"]
    assert budget < seconds(startup) <= budget + PROBE_SLACK_SECONDS


def test_a_node_that_has_to_come_first_is_waited_for_by_all_but_the_startup_probe() -> None:
    there, comes = dev(), dev(rollout={"nodeSeconds": 600})

    def limits(recording: Recording) -> list[int]:
        deployment, job = recording.only(":Deployment"), recording.only(":Job")
        return [
            int(deployment.create_timeout.removesuffix("s")),
            int(job.create_timeout.removesuffix("s")),
            job.inputs["spec"]["activeDeadlineSeconds"],
            deployment.inputs["spec"]["progressDeadlineSeconds"],
        ]

    assert limits(comes) == [limit + 600 for limit in limits(there)]
    assert container(comes)["startupProbe"] == container(there)["startupProbe"]


def test_a_pod_that_hangs_leaves_the_service_before_it_is_killed() -> None:
    only = container(dev())
    assert seconds(only["readinessProbe"]) < seconds(only["livenessProbe"])
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert only[probe]["httpGet"] == {"path": "/health", "port": "http"}
    assert only["ports"] == [{"name": "http", "containerPort": PORT}]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset["name"])
def test_a_pod_asks_for_what_its_preset_has(preset: dict[str, Any]) -> None:
    # A model of 9 GiB fits on the smallest of them, which has no bfloat16.
    recording = dev(preset=preset["name"], model="voxtral-mini-3b", dtype="float16")
    device = device_of(Preset.model_validate(preset), GPUS)
    assert device is not None
    gpus = {device.resource_name: str(preset["gpus"])}
    resources = container(recording)["resources"]
    wanted = {"cpu": str(preset["cpu"]), "memory": preset["memory"], **gpus}
    assert resources["requests"] == wanted
    # No CPU limit: a throttled server starves its GPU.
    assert resources["limits"] == {"memory": preset["memory"], **gpus}
    spec = pod_spec(recording)
    assert spec["nodeSelector"] == preset["pool"]["nodeSelector"]
    assert [{k: t[k] for k in ("key", "effect")} for t in spec["tolerations"]] == preset["pool"][
        "tolerations"
    ]


def test_each_vendor_has_its_own_image_and_no_image_floats() -> None:
    images = {
        vendor: container(dev(preset=preset))["image"]
        for vendor, preset in (
            ("nvidia", "nvidia-l4-1"),
            ("amd", "amd-mi300x-1"),
        )
    }
    assert images["nvidia"] != images["amd"]
    assert "rocm" in images["amd"]
    for image in images.values():
        tag = image.rpartition("/")[2].partition(":")[2]
        assert tag
        assert tag != "latest"


def test_a_token_stands_in_no_object_but_its_secret() -> None:
    raw = read_stack_file(ROOT / "Pulumi.dev.yaml").raw | {"huggingFaceToken": TOKEN}
    recording = run_program(raw, secret=frozenset({"huggingFaceToken"}), stack="dev", preview=False)
    carriers = [r.type for r in recording.requests if TOKEN in json.dumps(r.inputs)]
    assert carriers == ["kubernetes:core/v1:Secret"]


def test_a_named_secret_is_read_and_none_is_made() -> None:
    recording = dev(huggingFaceTokenSecret={"name": "hugging-face"}, cache={"enabled": False})
    assert recording.of_type(":Secret") == []
    (variable,) = [v for v in container(recording)["env"] if v["name"] == "HF_TOKEN"]
    assert variable["valueFrom"]["secretKeyRef"] == {"name": "hugging-face", "key": "token"}


@pytest.mark.parametrize(
    ("cache", "reader"),
    [
        ({"storage": "pvc", "accessMode": "ReadWriteMany"}, ":Job"),
        ({"storage": "existingClaim", "claimName": "models"}, ":Job"),
        ({"storage": "hostPath", "path": "/models"}, ":Deployment"),
        ({"storage": "none"}, ":Deployment"),
    ],
)
def test_only_the_pod_that_downloads_the_model_gets_the_token(
    cache: dict[str, object], reader: str
) -> None:
    recording = dev(
        huggingFaceTokenSecret={"name": "hugging-face"},
        cache=cache,
        autoscaling={"enabled": False},
    )
    readers = [r for r in recording.requests if "hugging-face" in json.dumps(r.inputs)]
    assert readers == [recording.only(reader)]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset["name"])
def test_every_image_is_told_how_long_it_may_drain(preset: dict[str, Any]) -> None:
    recording = dev(preset=preset["name"], model="voxtral-mini-3b", dtype="float16")
    assert container(recording)["args"].count("--shutdown-timeout") == 1


def test_runtime_class_and_device_groups_reach_the_pod() -> None:
    nvidia, amd = (pod_spec(dev(preset=preset)) for preset in ("nvidia-l4-1", "amd-mi210-1"))
    assert "supplementalGroups" not in nvidia["securityContext"]
    assert amd["securityContext"]["supplementalGroups"] == [44, 109]
    assert "runtimeClassName" not in nvidia
    assert pod_spec(dev(runtimeClass="nvidia"))["runtimeClassName"] == "nvidia"


def test_the_presets_of_the_sandbox_are_those_of_the_dev_stack() -> None:
    text = read_stack_file(ROOT / "Pulumi.dev.yaml").raw["presets"]
    assert (ROOT / Path(text)) == ROOT / "presets/sandbox.yaml"
