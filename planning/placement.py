"""What a pod asks of the scheduler and of the node it lands on."""

from __future__ import annotations

from collections.abc import Iterable

from catalog.records import Gpu
from planning.fit import Candidate
from planning.names import Pairs
from planning.plan import Placement, Toleration
from settings.models import Preset, StackSettings
from settings.models import Toleration as AskedToleration

AMD_DEVICE_GROUPS = (44, 109)
"""Groups that own /dev/dri and /dev/kfd on Ubuntu 22.04: video and render.

The device plugin keeps the node's owners (ROCm/k8s-device-plugin#39), so a user that is not root
has to be in their groups; their numbers differ by distribution.
"""


def plan_placement(chosen: Candidate, settings: StackSettings) -> Placement:
    """Plan where pods of the chosen preset go.

    Raises:
        ValueError: the preset was refused for something else than its memory.
    """
    gpu, sized = chosen.settled()
    preset = chosen.preset
    pools = _selectors(preset, settings)
    return Placement(
        preset=preset.name,
        vendor=gpu.vendor,
        product=gpu.key,
        gpus=preset.gpus,
        gpu_resource=gpu.resource_name,
        cpu=preset.cpu,
        memory=preset.memory,
        # NCCL exchanges between the ranks of one pod through shared memory.
        shared_memory="2Gi" if sized.tensor_parallel == 1 else "16Gi",
        node_selector=pools[0] if len(pools) == 1 else (),
        node_affinity=pools if len(pools) > 1 else (),
        tolerations=_tolerations([preset], settings),
        stack_selector=tuple(sorted(settings.node_selector.items())),
        stack_tolerations=_tolerations([], settings),
        every_toleration=_tolerations(settings.presets, settings),
        priority_class=settings.priority_class,
        runtime_class=settings.runtime_class,
        device_groups=_device_groups(preset, gpu),
        takes_shared_gpus=settings.force,
        capacity=None if preset.capacity is None else preset.capacity // chosen.nodes,
        hourly_price=chosen.price_per_hour,
        nodes=chosen.nodes,
    )


def _selectors(preset: Preset, settings: StackSettings) -> tuple[Pairs, ...]:
    return tuple(
        tuple(sorted((pool.node_selector | settings.node_selector).items()))
        for pool in preset.node_pools
    )


def _tolerations(presets: Iterable[Preset], settings: StackSettings) -> tuple[Toleration, ...]:
    """Those of every pool and of the stack, each once: a pod may go to any of the pools."""
    pools = (pool for preset in presets for pool in preset.node_pools)
    given: list[AskedToleration] = [t for pool in pools for t in pool.tolerations]
    made = (
        Toleration(
            key=toleration.key,
            operator=toleration.settled_operator,
            value=toleration.value,
            effect=toleration.effect,
            toleration_seconds=toleration.toleration_seconds,
        )
        for toleration in (*given, *settings.tolerations)
    )
    return tuple(dict.fromkeys(made))


def _device_groups(preset: Preset, gpu: Gpu) -> tuple[int, ...]:
    groups = preset.node_pools[0].device_groups  # the same in every pool, by settings.preset_rules
    if groups is not None:
        return tuple(sorted(set(groups)))
    # NVIDIA's container toolkit leaves its devices open to all users.
    return AMD_DEVICE_GROUPS if gpu.vendor == "amd" else ()
