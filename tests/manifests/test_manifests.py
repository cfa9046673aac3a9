"""The objects as they go to the cluster: security, budget, resources, scaling, way in."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from planning.devices import device_of
from planning.names import PORT
from settings.models import Preset
from settings.stack_files import read_stack_file
from tests.choices import GPUS
from tests.program.recording import ROOT, Recording, run_program, run_stack_file

PRESETS: list[dict[str, Any]] = yaml.safe_load((ROOT / "presets/sandbox.yaml").read_text())[
    "presets"
]
TOKEN = "hf_NotARealTokenButLongEnough"
PROBE_SLACK_SECONDS = 10
"""A probe's budget is whole periods, so it may exceed the start budget by one."""

CANONICAL_DURATION = re.compile(r"(\d+h[0-5]?\dm[0-5]?\ds|[1-5]?\dm[0-5]?\ds|[1-5]?\ds)")
CANONICAL_QUANTITY = re.compile(r"[1-9]\d*(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
RECREATE: dict[str, Any] = {"type": "Recreate"}
ONE_BY_ONE: dict[str, Any] = {
    "type": "RollingUpdate",
    "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1},
}
SURGE: dict[str, Any] = {
    "type": "RollingUpdate",
    "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
}
BINARY = {"Ki": "Mi", "Mi": "Gi", "Gi": "Ti"}


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """No context exists, so no test reaches a cluster of the machine."""
    monkeypatch.setenv("KUBECONFIG", "/nonexistent/kubeconfig")


def dev(**overrides: object) -> Recording:
    """Run the dev stack with keys replaced."""
    return run_stack_file("dev", overrides)


def pod_spec(recording: Recording) -> dict[str, Any]:
    return recording.only(":Deployment").inputs["spec"]["template"]["spec"]


def container(recording: Recording) -> dict[str, Any]:
    (only,) = pod_spec(recording)["containers"]
    return only


def seconds(probe: dict[str, Any]) -> int:
    return int(probe["failureThreshold"] * probe["periodSeconds"])


def texts_under(value: object, keys: frozenset[str]) -> Iterator[str]:
    """Every text that stands under one of the keys, at any depth."""
    if isinstance(value, dict):
        for key, inner in cast("dict[str, object]", value).items():
            if key in keys and isinstance(inner, str):
                yield inner
            yield from texts_under(inner, keys)
    if isinstance(value, list):
        for inner in cast("list[object]", value):
            yield from texts_under(inner, keys)


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
    recording = dev(huggingFaceTokenSecret={"name": "hugging-face", "key": "read"})
    assert recording.of_type(":Secret") == []
    (variable,) = [v for v in container(recording)["env"] if v["name"] == "HF_TOKEN"]
    assert variable["valueFrom"]["secretKeyRef"] == {"name": "hugging-face", "key": "read"}


@pytest.mark.parametrize("kind", ["interceptorRoute", "httpScaledObject"])
@pytest.mark.parametrize("window", [1, 59, 60, 90, 3600, 5400])
def test_durations_are_spelled_as_the_add_on_would_rewrite_them(kind: str, window: int) -> None:
    recording = dev(autoscaling={"enabled": True, "kind": kind, "windowSeconds": window})
    timeouts = {"readiness", "request", "responseHeader", "conditionWait"}
    keys = frozenset({"window", "granularity", *timeouts})
    durations = list(texts_under([r.inputs for r in recording.requests], keys))
    assert len(durations) >= 4
    assert all(CANONICAL_DURATION.fullmatch(duration) for duration in durations)


def test_a_minute_is_spelled_1m0s() -> None:
    route = dev(autoscaling={"enabled": True}).only(":InterceptorRoute")
    assert route.inputs["spec"]["scalingMetric"] == {
        "requestRate": {"targetValue": 100, "window": "1m0s", "granularity": "1s"}
    }


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_quantities_are_spelled_as_the_api_server_would_store_them(stack: str) -> None:
    objects = [request.inputs for request in run_stack_file(stack).requests]
    quantities = set(texts_under(objects, frozenset({"cpu", "memory", "storage", "sizeLimit"})))
    assert len(quantities) >= 4
    for quantity in quantities:
        assert CANONICAL_QUANTITY.fullmatch(quantity), quantity
        suffix = quantity.lstrip("0123456789")
        number = quantity.removesuffix(suffix)
        # 2048Mi would come back as 2Gi, 1000m as 1.
        assert not (suffix in BINARY and int(number) % 1024 == 0), quantity
        assert not (suffix == "m" and int(number) % 1000 == 0), quantity


@pytest.mark.parametrize("enabled", [True, False])
def test_only_the_api_is_reachable_from_outside(enabled: bool) -> None:
    ingress = dev(autoscaling={"enabled": enabled}).only(":Ingress").inputs["spec"]
    (rule,) = ingress["rules"]
    assert [(path["path"], path["pathType"]) for path in rule["http"]["paths"]] == [
        ("/v1", "Prefix")
    ]
    assert "defaultBackend" not in ingress
    assert rule["host"] == "vllm.llm.localhost"


def test_autoscaled_requests_pass_the_interceptor_that_counts_them() -> None:
    recording = dev(autoscaling={"enabled": True})
    backend = _backend(recording)
    (alias,) = [r for r in recording.of_type(":Service") if r.name.endswith("interceptor")]
    assert backend["name"] == alias.inputs["metadata"]["name"]
    assert alias.inputs["spec"]["type"] == "ExternalName"
    assert alias.inputs["spec"]["externalName"].startswith("keda-add-ons-http-interceptor-proxy.")
    assert backend["port"]["number"] == alias.inputs["spec"]["ports"][0]["port"]


def test_without_an_autoscaler_requests_go_straight_to_the_server() -> None:
    recording = dev(autoscaling={"enabled": False})
    (service,) = recording.of_type(":Service")
    assert _backend(recording) == {
        "name": service.inputs["metadata"]["name"],
        "port": {"number": service.inputs["spec"]["ports"][0]["port"]},
    }
    assert recording.of_type(":RpsAutoscaler") == []


def _backend(recording: Recording) -> dict[str, Any]:
    (rule,) = recording.only(":Ingress").inputs["spec"]["rules"]
    return rule["http"]["paths"][0]["backend"]["service"]


@pytest.mark.parametrize(
    ("preset", "most", "access_mode", "strategy"),
    [
        # One on a full pool, with or without a cache that several nodes can use.
        ("amd-mi210-1", 1, "ReadWriteMany", RECREATE),
        # A spare GPU, but a cache that attaches to one node.
        ("nvidia-l4-1", 1, "ReadWriteOnce", RECREATE),
        ("nvidia-l4-1", 1, "ReadWriteMany", SURGE),
        ("nvidia-l4-1", 5, "ReadWriteMany", SURGE),
        ("nvidia-l4-1", 6, "ReadWriteMany", ONE_BY_ONE),
        ("nvidia-l4-1", 7, "ReadWriteMany", ONE_BY_ONE),
    ],
)
@pytest.mark.parametrize("autoscaled", [True, False])
def test_a_rollout_takes_a_spare_gpu_only_where_one_is_declared(
    preset: str, most: int, access_mode: str, strategy: dict[str, Any], autoscaled: bool
) -> None:
    recording = dev(
        preset=preset,
        replicas=most,
        autoscaling={"enabled": autoscaled, "maxReplicas": most},
        cache={"accessMode": access_mode},
        # An autoscaler may not go above what the preset holds.
        force=True,
    )
    assert recording.only(":Deployment").inputs["spec"]["strategy"] == strategy


def test_a_stop_leaves_time_to_be_forgotten_and_then_to_finish() -> None:
    recording = dev()
    grace, only = pod_spec(recording)["terminationGracePeriodSeconds"], container(recording)
    pre_stop = only["lifecycle"]["preStop"]
    assert set(pre_stop) == {"sleep"}
    drain = int(only["args"][only["args"].index("--shutdown-timeout") + 1])
    wait = pre_stop["sleep"]["seconds"]
    readiness = only["readinessProbe"]
    # Without the wait, a pod would go before the last proxy has seen that it is not ready.
    assert wait >= readiness["periodSeconds"]
    assert 0 < drain < grace - wait


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset["name"])
def test_every_image_is_told_how_long_it_may_drain(preset: dict[str, Any]) -> None:
    recording = dev(preset=preset["name"], model="voxtral-mini-3b", dtype="float16")
    assert container(recording)["args"].count("--shutdown-timeout") == 1


def test_several_pods_are_spread_over_nodes_where_there_are_some_and_drained_one_by_one() -> None:
    recording = dev(autoscaling={"enabled": True, "maxReplicas": 2})
    labels = recording.only(":Deployment").inputs["spec"]["template"]["metadata"]["labels"]
    (spread,) = pod_spec(recording)["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    assert spread["whenUnsatisfiable"] == "ScheduleAnyway"
    budget = recording.only(":PodDisruptionBudget").inputs["spec"]
    assert budget["maxUnavailable"] == 1
    for selector in (spread["labelSelector"], budget["selector"]):
        assert selector["matchLabels"]
        assert selector["matchLabels"].items() <= labels.items()


def test_a_single_pod_has_no_budget_that_would_block_the_drain_of_its_node() -> None:
    recording = dev(autoscaling={"enabled": False})
    assert recording.of_type(":PodDisruptionBudget") == []


def test_a_switch_of_the_autoscaler_leaves_the_pods_as_they_are() -> None:
    on, off = (dev(autoscaling={"enabled": enabled}) for enabled in (True, False))
    assert pod_spec(on) == pod_spec(off)


def test_runtime_class_and_device_groups_reach_the_pod() -> None:
    nvidia, amd = (pod_spec(dev(preset=preset)) for preset in ("nvidia-l4-1", "amd-mi210-1"))
    assert "supplementalGroups" not in nvidia["securityContext"]
    assert amd["securityContext"]["supplementalGroups"] == [44, 109]
    assert "runtimeClassName" not in nvidia
    assert pod_spec(dev(runtimeClass="nvidia"))["runtimeClassName"] == "nvidia"


def test_the_presets_of_the_sandbox_are_those_of_the_dev_stack() -> None:
    text = read_stack_file(ROOT / "Pulumi.dev.yaml").raw["presets"]
    assert (ROOT / Path(text)) == ROOT / "presets/sandbox.yaml"
