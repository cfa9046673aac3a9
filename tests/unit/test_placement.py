"""What a pod asks of the scheduler and of its node, by preset and by stack."""

from __future__ import annotations

import pytest

from planning.errors import PlanError
from settings.models import Preset
from tests.choices import only, planned, preset

TIME_SLICED = {"nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-L4-SHARED"}}


def test_a_preset_of_time_sliced_nodes_is_refused_unless_forced() -> None:
    presets = [preset("l4", pool=TIME_SLICED)]
    with pytest.raises(PlanError) as refused:
        planned(presets)
    text = str(only(refused.value.mistakes))
    assert "its nodes share a GPU among pods (NVIDIA-L4-SHARED)" in text
    assert planned(presets, force=True).placement.takes_shared_gpus


def test_a_whole_gpu_is_chosen_over_a_cheaper_share_of_one() -> None:
    presets = [preset("l4", price=0.1, pool=TIME_SLICED), preset("a10g", price=1)]
    assert planned(presets).placement.preset == "a10g-1"


@pytest.mark.parametrize(
    ("chosen", "groups"),
    [
        (preset("l4"), ()),
        (preset("mi300x"), (44, 109)),
        (preset("mi300x", pool={"deviceGroups": [992, 44]}), (44, 992)),
        (preset("mi300x", pool={"deviceGroups": []}), ()),
    ],
)
def test_the_groups_of_amd_devices_are_those_of_ubuntu_unless_the_pool_names_others(
    chosen: Preset, groups: tuple[int, ...]
) -> None:
    assert planned([chosen]).placement.device_groups == groups


def test_what_the_stack_adds_stands_beside_the_pool_s_own() -> None:
    taint = {"key": "nvidia.com/gpu", "effect": "NoSchedule"}
    pool = {"nodeSelector": {"pool": "l4"}, "tolerations": [taint]}
    placement = planned(
        [preset("l4", pool=pool)],
        nodeSelector={"zone": "a"},
        tolerations=({"key": "team", "operator": "Exists"},),
        runtimeClass="nvidia",
        priorityClass="high",
    ).placement
    assert placement.node_selector == (("pool", "l4"), ("zone", "a"))
    assert [toleration.key for toleration in placement.tolerations] == ["nvidia.com/gpu", "team"]
    assert (placement.runtime_class, placement.priority_class) == ("nvidia", "high")


def test_a_toleration_with_a_value_alone_compares_it_as_in_kubernetes() -> None:
    given = ({"key": "gpu", "value": "l4"}, {"key": "gpu"})
    placement = planned([preset("l4")], tolerations=given).placement
    assert [toleration.operator for toleration in placement.tolerations] == ["Equal", "Exists"]
