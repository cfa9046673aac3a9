"""Nodes of the simulated pools, with the labels, taints and capacities of real ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

Labels = dict[str, str]

_POOLS = Path(__file__).resolve().parent / "pools.yaml"
_UNITS_GIB: Mapping[str, int] = {"Gi": 1, "Ti": 1024}
_PODS_PER_NODE = "110"  # the kubelet's default


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Nodes that are alike."""

    name: str
    vendor: str
    gpus: int
    nodes: int
    instance_type: str
    cpus: int
    memory_gib: int
    storage_gib: int
    labels: Labels
    instances: Mapping[str, int] = field(default_factory=dict[str, int])
    """MIG instances of a node by profile, instead of whole GPUs."""


def load_pools(path: Path = _POOLS) -> tuple[Pool, ...]:
    """Read the pools in the order of the file."""
    document = cast("dict[str, Any]", yaml.safe_load(path.read_text()))
    versions = cast("dict[str, str]", document["versions"])
    labellers: Mapping[str, Callable[[dict[str, Any], int, dict[str, str]], Labels]] = {
        "nvidia": _nvidia_labels,
        "amd": _amd_labels,
        "cpu": lambda _flavour, _gpus, _versions: {},
    }
    return tuple(
        _pool(vendor, flavour, size, labeller(flavour, int(size[0]), versions))
        for vendor, labeller in labellers.items()
        for flavour in document[vendor]
        for size in flavour["sizes"]
    )


def manifests(pools: tuple[Pool, ...]) -> list[dict[str, Any]]:
    """Return the Node objects of all pools."""
    return [_node(pool, index) for pool in pools for index in range(pool.nodes)]


def _pool(vendor: str, flavour: dict[str, Any], size: list[Any], labels: Labels) -> Pool:
    gpus, nodes, instance_type, cpus, memory, storage = size
    parts = [] if vendor == "cpu" else [vendor]
    parts.append(flavour["name"])
    if gpus > 1:
        parts.append(f"x{gpus}")
    return Pool(
        name="-".join(parts),
        vendor=vendor,
        gpus=gpus,
        nodes=nodes,
        instance_type=instance_type,
        cpus=cpus,
        memory_gib=_gib(memory),
        storage_gib=_gib(storage),
        labels=labels,
        instances={name: count for name, (count, _) in flavour.get("instances", {}).items()},
    )


def _nvidia_labels(flavour: dict[str, Any], gpus: int, versions: dict[str, str]) -> Labels:
    """Return what GPU feature discovery publishes, without its timestamp."""
    major, minor = flavour["compute"].split(".")
    driver_major, driver_minor, driver_revision = versions["nvidia_driver"].split(".")
    runtime_major, runtime_minor = versions["cuda_runtime"].split(".")
    labels = {
        "cuda.driver-version.full": versions["nvidia_driver"],
        "cuda.driver-version.major": driver_major,
        "cuda.driver-version.minor": driver_minor,
        "cuda.driver-version.revision": driver_revision,
        "cuda.runtime-version.full": versions["cuda_runtime"],
        "cuda.runtime-version.major": runtime_major,
        "cuda.runtime-version.minor": runtime_minor,
        "gpu.compute.major": major,
        "gpu.compute.minor": minor,
        "gpu.count": str(gpus),
        "gpu.family": flavour["family"],
        "gpu.memory": str(flavour["memory"]),
        "gpu.mode": "compute",
        "gpu.present": "true",
        "gpu.product": flavour["product"],
        "gpu.replicas": "1",
        "gpu.sharing-strategy": "none",
        "mig.capable": str(flavour.get("mig", False)).lower(),
    }
    if instances := flavour.get("instances", {}):
        # Without a whole GPU to give, as GPU feature discovery labels it under strategy mixed.
        labels |= {"mig.strategy": "mixed", "gpu.replicas": "0"}
    for profile, (count, memory) in instances.items():
        labels[f"mig-{profile}.count"] = str(count)
        labels[f"mig-{profile}.memory"] = str(memory)
        labels[f"mig-{profile}.product"] = f"{flavour['product']}-MIG-{profile}"
        labels[f"mig-{profile}.replicas"] = "1"
        labels[f"mig-{profile}.sharing-strategy"] = "none"
    return {f"nvidia.com/{key}": value for key, value in labels.items()}


def _amd_labels(flavour: dict[str, Any], gpus: int, versions: dict[str, str]) -> Labels:
    """Return what AMD's labeller publishes; the number of GPUs is in its beta labels only."""
    values = {
        "cu-count": str(flavour["compute_units"]),
        "device-id": flavour["device_id"],
        "driver-version": versions["amdgpu_driver"],
        "family": "AI",
        "product-name": flavour["product"],
        # CDNA compute units have four SIMDs each.
        "simd-count": str(4 * flavour["compute_units"]),
        "vram": flavour["vram"],
    }
    labels = {"feature.node.kubernetes.io/amd-gpu": "true"}
    for kind, value in values.items():
        labels[f"amd.com/gpu.{kind}"] = value
        labels[f"beta.amd.com/gpu.{kind}"] = value
        labels[f"beta.amd.com/gpu.{kind}.{value}"] = str(gpus)
    return labels


def _node(pool: Pool, index: int) -> dict[str, Any]:
    name = f"{pool.name}-{index}"
    devices = {f"{pool.vendor}.com/gpu": pool.gpus} if pool.gpus else {}
    offered = {f"nvidia.com/mig-{name}": n for name, n in pool.instances.items()} or devices
    capacity = {
        "cpu": str(pool.cpus),
        "memory": f"{pool.memory_gib}Gi",
        "ephemeral-storage": f"{pool.storage_gib}Gi",
        "pods": _PODS_PER_NODE,
        **{resource: str(count) for resource, count in offered.items()},
    }
    allocatable = capacity | {
        "cpu": f"{1000 * pool.cpus - _reserved_millicpus(pool.cpus)}m",
        "memory": f"{1024 * pool.memory_gib - _reserved_memory_mib(pool.memory_gib)}Mi",
        "ephemeral-storage": f"{pool.storage_gib * 9 // 10}Gi",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake", "node.alpha.kubernetes.io/ttl": "0"},
            "labels": {
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "node.kubernetes.io/instance-type": pool.instance_type,
                "type": "kwok",
                **pool.labels,
            },
        },
        "spec": {"taints": [_taint(resource) for resource in devices]},
        "status": {"capacity": capacity, "allocatable": allocatable},
    }


def _taint(resource: str) -> dict[str, str]:
    return {"key": resource, "value": "present", "effect": "NoSchedule"}


def _reserved_millicpus(cpus: int) -> int:
    """Return what GKE reserves: 6 % of the first core, 1 % of the next, .5 % of two, .25 % then."""
    steps = [60, 10, 5, 5]
    return round(sum(steps[:cpus]) + 2.5 * max(0, cpus - len(steps)))


def _reserved_memory_mib(memory_gib: int) -> int:
    """Return what GKE reserves, a falling share of each slice, and the eviction threshold."""
    reserved, rest = 100.0, float(memory_gib)
    for slice_gib, share in ((4, 0.25), (4, 0.2), (8, 0.1), (112, 0.06), (rest, 0.02)):
        reserved += 1024 * share * min(slice_gib, rest)
        rest -= min(slice_gib, rest)
    return round(reserved)


def _gib(quantity: str) -> int:
    return int(quantity[:-2]) * _UNITS_GIB[quantity[-2:]]
