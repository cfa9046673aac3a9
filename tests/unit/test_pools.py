"""Presets of several pools: any of them will do, and a pod names them all."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

import pytest

from cluster.diagnosis import pool_lines
from cluster.observed import ObservedNode, ObservedPod
from cluster.preflight import suits
from manifests.affinity import affinity_args
from planning.download import plan_download
from planning.errors import PlanError
from settings.parse import parse
from tests.choices import only, planned, preset

LARGE = {"pool": "large"}
SMALL = {"pool": "small"}
TAINT = {"key": "nvidia.com/gpu", "effect": "NoSchedule"}
SPOT = {"key": "spot", "effect": "NoSchedule"}
BOTH = [
    {"nodeSelector": SMALL, "tolerations": [TAINT]},
    {"nodeSelector": LARGE, "tolerations": [TAINT, SPOT]},
]


def terms(pools: tuple[tuple[tuple[str, str], ...], ...]) -> list[dict[str, Any]]:
    """The required terms of the affinity, as plain values."""
    made = affinity_args(pools)
    assert made is not None
    required = cast("Any", made).node_affinity.required_during_scheduling_ignored_during_execution
    return [
        {one.key: (one.operator, one.values) for one in term.match_expressions}
        for term in required.node_selector_terms
    ]


def node(labels: dict[str, str], *, gpus: str = "1") -> ObservedNode:
    return ObservedNode(name="n", labels=labels, taints=(), allocatable={"nvidia.com/gpu": gpus})


def test_each_pool_is_one_term_and_the_stack_s_own_labels_hold_in_each() -> None:
    plan = planned([preset("l4", pools=BOTH)], nodeSelector={"zone": "a"})
    placement = plan.placement
    assert placement.node_selector == ()
    assert terms(placement.node_affinity) == [
        {"pool": ("In", ["small"]), "zone": ("In", ["a"])},
        {"pool": ("In", ["large"]), "zone": ("In", ["a"])},
    ]


def test_tolerations_of_all_pools_are_united_and_none_stands_twice() -> None:
    placement = planned([preset("l4", pools=BOTH)]).placement
    assert [toleration.key for toleration in placement.tolerations] == ["nvidia.com/gpu", "spot"]


def test_a_list_of_one_pool_is_a_plain_node_selector() -> None:
    one = planned([preset("l4", pools=BOTH[:1])]).placement
    assert one == planned([preset("l4", pool=BOTH[0])]).placement
    assert (one.node_selector, one.node_affinity) == ((("pool", "small"),), ())


def test_a_download_beside_the_server_goes_to_any_of_its_pools() -> None:
    cache = {"storageClass": "standard", "accessMode": "ReadWriteOnce"}
    plan = planned([preset("l4", pools=BOTH)], cache=cache)
    download = plan_download(plan)
    assert download is not None
    assert download.beside_server
    assert download.node_affinity == plan.placement.node_affinity


def test_without_pools_and_companions_there_is_no_affinity() -> None:
    assert affinity_args(()) is None


def test_a_pool_of_which_no_memory_is_certain_refuses_the_whole_preset() -> None:
    shared = {"nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-L4-SHARED"}}
    with pytest.raises(PlanError) as refused:
        planned([preset("l4", pools=[BOTH[0], shared])])
    assert "share a GPU among pods" in str(only(refused.value.mistakes))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"pool": BOTH[0], "pools": BOTH}, "has both pool and pools"),
        ({"pools": [BOTH[0], {"tolerations": [TAINT]}]}, "has a pool without nodeSelector"),
        ({"pools": [BOTH[0], {**BOTH[1], "deviceGroups": [44]}]}, "differ in deviceGroups"),
    ],
)
def test_pools_that_contradict_each_other_are_refused(keys: dict[str, Any], said: str) -> None:
    raw = {"name": "p", "vendor": "nvidia", "product": "l4", "gpus": 1, "cpu": 8, "memory": "64Gi"}
    config = {
        "model": "m/m",
        "kubernetes": '{"context": "c"}',
        "ingress": '{"enabled": false}',
        "presets": json.dumps([raw | keys]),
    }
    (mistake,) = parse(config, secret=frozenset()).mistakes
    assert mistake.key == "presets[0].pools"
    assert said in str(mistake)


def test_the_preflight_takes_a_node_of_any_pool_and_of_no_other() -> None:
    placement = planned([preset("l4", pools=BOTH)]).placement
    assert suits(node(SMALL), placement)
    assert suits(node(LARGE), placement)
    assert not suits(node({"pool": "other"}), placement)
    assert not suits(node(LARGE, gpus="0"), placement)


def test_the_diagnosis_knows_every_pool_of_a_pod() -> None:
    pod = ObservedPod(
        name="vllm",
        phase="Pending",
        node=None,
        node_selector={},
        tolerated=(),
        limits={"nvidia.com/gpu": "1"},
        node_terms=(SMALL, LARGE),
    )
    nodes = [replace(node(labels), name=labels["pool"]) for labels in (SMALL, LARGE)]
    assert list(pool_lines(pod, [*nodes, node({"pool": "other"})])) == [
        "pools that offer 1 nvidia.com/gpu:",
        "  unlabelled (2 nodes of 1): matches, but has none free",
        "  unlabelled (1 node of 1): pool is other, the pod asks for small or large",
    ]


def test_the_diagnosis_of_a_mig_pod_counts_instances_and_not_gpus() -> None:
    resource = "nvidia.com/mig-3g.40gb"
    pod = ObservedPod(
        name="vllm",
        phase="Pending",
        node=None,
        node_selector={},
        tolerated=(),
        limits={"memory": "64Gi", resource: "1"},
    )
    part = replace(node({}), allocatable={resource: "2"})
    assert list(pool_lines(pod, [part, node({}, gpus="8")])) == [
        f"pools that offer 1 {resource}:",
        "  unlabelled (1 node of 2): matches, but has none free",
    ]
