"""The simulated pools against what labellers and clouds really publish."""

import re
from typing import Any
from unittest.mock import Mock

import pytest
import yaml

from planning.devices import device_of
from planning.gpu_compatibility import driver_lack
from planning.product_labels import foreign_labels
from sandbox import cluster, nodes
from sandbox.state import REPOSITORY, Settings
from settings.models import Preset
from tests.choices import GPUS

POOLS = nodes.load_pools()
NODES = nodes.manifests(POOLS)
GPU_NODES = [node for node in NODES if node["spec"]["taints"]]
# The limits of Kubernetes for label names, with and without a prefix, and for label values.
LABEL_NAME = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
LABEL_VALUE = re.compile(r"|[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
SIZES = {"Mi": 2**20, "Gi": 2**30, "m": 1e-3, "": 1.0}


def name(node: dict[str, Any]) -> str:
    return node["metadata"]["name"]


def amount(quantity: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(\D*)", quantity).groups()  # type: ignore[union-attr]
    return float(number) * SIZES[unit]


def test_every_node_has_a_name_of_its_own() -> None:
    assert len({name(node) for node in NODES}) == len(NODES)


@pytest.mark.parametrize("node", NODES, ids=name)
def test_labels_are_ones_that_kubernetes_accepts(node: dict[str, Any]) -> None:
    for key, value in node["metadata"]["labels"].items():
        assert LABEL_NAME.fullmatch(key), key
        assert LABEL_VALUE.fullmatch(value), f"{key}: {value}"


@pytest.mark.parametrize("node", GPU_NODES, ids=name)
def test_a_gpu_node_is_tainted_with_the_resource_it_offers(node: dict[str, Any]) -> None:
    (taint,) = node["spec"]["taints"]
    assert taint["effect"] == "NoSchedule"
    assert taint["value"] == "present"
    offered = node["status"]["allocatable"]
    assert sum(int(n) for key, n in offered.items() if _is_device(key, taint["key"])) > 0


def _is_device(resource: str, whole: str) -> bool:
    return resource == whole or resource.startswith("nvidia.com/mig-")


@pytest.mark.parametrize("node", GPU_NODES, ids=name)
def test_the_labels_count_the_gpus_that_the_node_offers(node: dict[str, Any]) -> None:
    labels, allocatable = node["metadata"]["labels"], node["status"]["allocatable"]
    if instances := [key for key in allocatable if key.startswith("nvidia.com/mig-")]:
        assert labels["nvidia.com/mig.strategy"] == "mixed"
        for resource in instances:
            assert labels[f"{resource}.count"] == allocatable[resource]
            assert labels[f"{resource}.product"].startswith(labels["nvidia.com/gpu.product"])
    elif "nvidia.com/gpu" in allocatable:
        assert labels["nvidia.com/gpu.count"] == allocatable["nvidia.com/gpu"]
    else:
        vram = labels["amd.com/gpu.vram"]
        assert labels[f"beta.amd.com/gpu.vram.{vram}"] == allocatable["amd.com/gpu"]
        assert labels["amd.com/gpu.family"] == "AI"


@pytest.mark.parametrize("node", NODES, ids=name)
def test_pods_get_less_than_the_machine_has_but_most_of_it(node: dict[str, Any]) -> None:
    status = node["status"]
    for resource in ("cpu", "memory", "ephemeral-storage"):
        share = amount(status["allocatable"][resource]) / amount(status["capacity"][resource])
        assert 0.8 < share < 1, resource


def test_reservations_are_those_of_gke_for_a_machine_of_its_documentation() -> None:
    # 4 GiB: 25 %. 8 GiB: 20 % of the next four. 16 GiB: 10 % of the next eight; 100 MiB eviction.
    node = next(node for node in NODES if name(node) == "nvidia-v100-16-0")
    gib = 0.25 * 4 + 0.2 * 4 + 0.1 * 8 + 0.06 * (61 - 16)
    assert node["status"]["allocatable"]["memory"] == f"{round(1024 * (61 - gib) - 100)}Mi"
    assert node["status"]["allocatable"]["cpu"] == f"{8000 - 60 - 10 - 10 - 10}m"


def test_small_gpus_come_in_several_nodes_so_that_an_app_can_scale_out() -> None:
    small = [pool for pool in POOLS if pool.name in ("nvidia-t4", "nvidia-l4", "nvidia-a10g")]
    assert len(small) == 3
    assert all(pool.gpus == 1 and pool.nodes >= 2 for pool in small)


def test_every_preset_of_the_sandbox_fits_on_as_many_nodes_as_it_declares() -> None:
    presets = yaml.safe_load((REPOSITORY / "presets" / "sandbox.yaml").read_text())["presets"]
    for preset in presets:
        wanted = preset["pool"]["nodeSelector"].items()
        device = device_of(Preset.model_validate(preset), GPUS)
        assert device is not None
        resource = device.resource_name
        room = 0
        for node in NODES:
            if not wanted <= node["metadata"]["labels"].items():
                continue
            free = {key: amount(value) for key, value in node["status"]["allocatable"].items()}
            room += int(
                min(
                    free.get(resource, 0) / preset["gpus"],
                    free["cpu"] / preset["cpu"],
                    free["memory"] / amount(preset["memory"]),
                )
            )
        assert room >= preset["capacity"], preset["name"]


def test_nodes_that_say_nothing_of_themselves_yet_are_not_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Settings.from_environment({})
    ready = {"type": "Ready", "status": "True"}
    seen = [node | {"status": node["status"] | {"conditions": [ready]}} for node in NODES]
    for listed, verdict in ((NODES, False), ([*seen, NODES[0]], False), (seen, True)):
        monkeypatch.setattr(cluster, "get", Mock(return_value={"items": listed}))
        assert cluster.all_nodes_ready(settings) is verdict


def test_the_nodes_that_a_preset_selects_have_its_gpu_and_a_driver_for_its_image() -> None:
    presets = yaml.safe_load((REPOSITORY / "presets" / "sandbox.yaml").read_text())["presets"]
    for preset in (Preset.model_validate(raw) for raw in presets):
        device = device_of(preset, GPUS)
        if device is None:
            continue
        for pool in preset.node_pools:
            every = [node["metadata"]["labels"] for node in GPU_NODES]
            chosen = [labels for labels in every if pool.node_selector.items() <= labels.items()]
            assert chosen, preset.name
            for labels in chosen:
                assert list(foreign_labels(device.key, labels)) == [], preset.name
                assert driver_lack(device, labels) is None, preset.name
