"""What the nodes of a pool and other stacks say about a plan."""

from __future__ import annotations

import pytest

from cluster.devices import device_mistakes, device_warnings, reachable
from cluster.observed import ObservedNode
from cluster.ownership import owner_mistakes
from cluster.preflight import sharing_mistakes
from cluster.room import download_room_warnings, quantity, room_warnings, total
from cluster.taints import Taint
from tests.choices import planned, preset


def node(strategy: str) -> ObservedNode:
    labels = {"nvidia.com/gpu.sharing-strategy": strategy}
    return ObservedNode(name=f"gpu-{strategy}", labels=labels, taints=(), allocatable={})


@pytest.mark.parametrize("strategy", ["time-slicing", "mps"])
def test_a_pool_with_a_shared_gpu_is_refused_unless_forced(strategy: str) -> None:
    pool = [node("none"), node(strategy)]
    (mistake,) = sharing_mistakes(planned([preset("l4")]).placement, pool)
    assert f"node gpu-{strategy} of 'l4-1' shares its GPUs" in str(mistake)
    assert sharing_mistakes(planned([preset("l4")], force=True).placement, pool) == []
    assert sharing_mistakes(planned([preset("l4")]).placement, [node("none")]) == []


def sized(cpu: str, memory: str) -> ObservedNode:
    allocatable = {"cpu": cpu, "memory": memory, "nvidia.com/gpu": "1"}
    return ObservedNode(name=cpu, labels={}, taints=(), allocatable=allocatable)


def test_nodes_that_are_too_small_for_a_pod_of_the_preset_are_warned_of() -> None:
    plan = planned([preset("l4", cpu="8", memory="32Gi")])
    small, tight = sized("4", "15Gi"), sized("7910m", "64Gi")
    (warning,) = room_warnings(plan, [small, tight])
    assert warning.startswith(
        "preset: 'l4-1' asks for cpu 8, and the nodes of its pool give pods 7910m at most"
    )
    (warning,) = room_warnings(plan, [sized("8", "30Gi")])
    assert "asks for memory 32Gi, and the nodes of its pool give pods 30Gi at most" in warning
    assert list(room_warnings(plan, [small, sized("8000m", "33554432Ki")])) == []


def test_a_download_beside_the_server_needs_its_room_on_the_same_node() -> None:
    def warned(node: ObservedNode, access_mode: str = "ReadWriteOnce") -> list[str]:
        cache = {"storageClass": "standard", "accessMode": access_mode}
        plan = planned([preset("l4", cpu="8", memory="32Gi")], cache=cache)
        return list(download_room_warnings(plan, [node]))

    (warning,) = warned(sized("8", "64Gi"))
    assert "asks for cpu 8.5, and the nodes of its pool give pods 8 at most" in warning
    assert "with 500m CPU and 1Gi for the download beside the server" in warning
    (warning,) = warned(sized("16", "32Gi"))
    assert "asks for memory 33Gi, and the nodes of its pool give pods 32Gi at most" in warning
    assert warned(sized("8500m", "33Gi")) == []
    assert warned(sized("8", "32Gi"), "ReadWriteMany") == []
    # Of a node that is too small for the server alone, that is said already.
    assert warned(sized("4", "32Gi")) == []


@pytest.mark.parametrize(
    ("quantities", "sum_of_them"),
    [
        (("30", "500m"), "30.5"),
        (("7500m", "500m"), "8000m"),
        (("100", "100"), "200"),
        (("28Gi", "1Gi"), "29Gi"),
        (("28672Mi", "1Gi"), "29696Mi"),
        (("1.5Gi", "512Mi"), "2Gi"),
    ],
)
def test_quantities_add_up_in_the_unit_of_the_first(
    quantities: tuple[str, ...], sum_of_them: str
) -> None:
    assert total(*quantities) == sum_of_them
    assert quantity(sum_of_them) == sum(quantity(each) for each in quantities)


def test_a_name_that_another_stack_s_app_has_in_the_namespace_is_refused() -> None:
    names = planned([preset("l4")], stack="prod").names
    (mistake,) = owner_mistakes(names, "staging")
    assert str(mistake).startswith(
        "name: 'vllm' is in namespace llm already, made by the stack 'staging'"
    )
    assert "kubectl annotate --overwrite -n llm service vllm mistral-vllm/stack=prod" in str(
        mistake
    )
    assert list(owner_mistakes(names, "prod")) == []
    assert list(owner_mistakes(names, None)) == []


PRODUCT, DRIVER = "nvidia.com/gpu.product", "nvidia.com/cuda.driver-version.major"


def labelled(product: str, *taints: Taint, driver: str = "580") -> ObservedNode:
    labels = {PRODUCT: product, DRIVER: driver}
    return ObservedNode(name=f"node-{product}", labels=labels, taints=taints, allocatable={})


def test_a_node_with_another_gpu_is_refused_where_a_pod_may_go_to_it() -> None:
    plan = planned([preset("h100-80")])
    own = [labelled(label) for label in ("NVIDIA-H100-80GB-HBM3", "NVIDIA-H100-PCIe-SHARED")]
    unlabelled = ObservedNode(name="bare", labels={}, taints=(), allocatable={})
    assert list(device_mistakes(plan, [*own, unlabelled])) == []
    (mistake,) = device_mistakes(plan, [*own, labelled("NVIDIA-L4"), labelled("Tesla-T4")])
    assert mistake.key == "preset"
    assert f"the node node-NVIDIA-L4, which is 'l4' ({PRODUCT} is NVIDIA-L4)" in mistake.wrong
    assert f"add {PRODUCT}: NVIDIA-H100-80GB-HBM3 (or" in mistake.remedy


def test_a_node_that_a_pod_does_not_tolerate_is_none_of_its_own() -> None:
    taint = Taint(key="pool", value="small", effect="NoSchedule")
    kept = labelled("NVIDIA-L4", taint)
    pool = {"tolerations": [{"key": "pool", "value": "large", "effect": "NoSchedule"}]}
    assert reachable([kept], planned([preset("h100-80", pool=pool)]).placement) == []
    pool = {"tolerations": [{"key": "pool", "value": "small", "effect": "NoSchedule"}]}
    assert reachable([kept], planned([preset("h100-80", pool=pool)]).placement) == [kept]


def test_a_node_whose_gpu_nobody_knows_is_a_warning() -> None:
    plan = planned([preset("h100-80")])
    nodes = [labelled("NVIDIA-H100-80GB-HBM3"), labelled("NVIDIA-H100-80GB-HBM4")]
    assert list(device_mistakes(plan, nodes)) == []
    (warning,) = device_warnings(plan, nodes)
    assert f"of the node node-NVIDIA-H100-80GB-HBM4 {PRODUCT} is NVIDIA-H100-80GB-HBM4" in warning
    assert list(device_warnings(plan, nodes[:1])) == []


def test_an_old_driver_is_refused_where_no_node_has_a_newer_and_else_a_warning() -> None:
    plan = planned([preset("l4")])
    old, new = labelled("NVIDIA-L4", driver="550"), labelled("NVIDIA-L4", driver="580")
    (mistake,) = device_mistakes(plan, [old, old])
    assert "driver 550 is older than 580, which the image needs" in mistake.wrong
    assert list(device_mistakes(plan, [old, new])) == []
    (warning,) = device_warnings(plan, [old, new])
    assert "on 1 of 2 nodes of 'l4-1'" in warning
    assert list(device_mistakes(plan, [new])) == list(device_warnings(plan, [new])) == []
    own_image = planned([preset("l4")], image="registry.example.com/vllm:v0.31.0")
    assert list(device_mistakes(own_image, [old])) == []


def test_an_instance_that_mig_cuts_is_of_the_gpu_that_its_node_names() -> None:
    part = "nvidia.com/mig-3g.40gb.product"
    plan = planned([preset("h100-80", mig="3g.40gb")])

    def cut(product: str) -> ObservedNode:
        labels = {PRODUCT: product, part: f"{product}-MIG-3g.40gb"}
        return ObservedNode(name="cut", labels=labels, taints=(), allocatable={})

    assert list(device_mistakes(plan, [cut("NVIDIA-H100-80GB-HBM3")])) == []
    (mistake,) = device_mistakes(plan, [cut("NVIDIA-A100-SXM4-80GB")])
    assert "which is 'a100-80'" in mistake.wrong
