"""Rules across the keys of one preset: MIG, and several pools."""

from __future__ import annotations

from collections.abc import Iterator

from settings.mistakes import Mistake
from settings.models import Preset


def preset_mistakes(preset: Preset, key: str) -> Iterator[Mistake]:
    """Find what contradicts itself in a preset.

    Args:
        preset: the preset.
        key: where it stands, such as `presets[0]`.
    """
    if preset.mig and preset.gpus != 1:
        yield Mistake(
            key=f"{key}.gpus",
            wrong=f"'{preset.name}' asks for {preset.gpus} MIG instances",
            # NVIDIA MIG user guide, deployment considerations: no P2P by PCIe or NVLink; NCCL knows
            # instances since August 2026, as an experiment and through host memory (nccl#1716).
            rule="a replica runs on one instance: between instances there is no peer-to-peer copy, "
            "on which tensor parallelism relies",
            remedy="set gpus to 1, or remove mig to use whole GPUs",
        )
    yield from _pool_mistakes(preset, f"{key}.pools")


def _pool_mistakes(preset: Preset, key: str) -> Iterator[Mistake]:
    if preset.pools and "pool" in preset.model_fields_set:
        yield Mistake(
            key=key,
            wrong=f"'{preset.name}' has both pool and pools",
            rule="a preset lists its pools in one place",
            remedy="move pool into pools",
        )
    if len(preset.pools) > 1 and not all(pool.node_selector for pool in preset.pools):
        yield Mistake(
            key=key,
            wrong=f"'{preset.name}' has a pool without nodeSelector",
            rule="of several pools each names its nodes; one that is any node leaves no choice",
            remedy="add its nodeSelector, or leave only that pool",
        )
    groups = {None if p.device_groups is None else frozenset(p.device_groups) for p in preset.pools}
    if len(groups) > 1:
        yield Mistake(
            key=key,
            wrong=f"the pools of '{preset.name}' differ in deviceGroups",
            rule="a pod has its groups before it has a node",
            remedy="give all of them the same deviceGroups, or make a preset of each",
        )
