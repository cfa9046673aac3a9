"""Presets of MIG instances: their memory, their resource, and what is refused."""

from __future__ import annotations

import json

import pytest

from catalog.loader import find_gpu, load_gpus
from catalog.records import Gpu
from planning.errors import PlanError
from planning.explain import explanation_lines
from settings.parse import parse
from tests.choices import GPUS, chosen, only, planned, preset

WITH_MIG = [gpu for gpu in load_gpus() if gpu.mig]


def instance(product: str, profile: str) -> Gpu:
    """An instance of a GPU of the catalogue."""
    gpu = find_gpu(product)
    return gpu.instance(next(one for one in gpu.mig if one.name == profile))


def test_the_data_centre_gpus_that_mig_cuts_have_their_profiles() -> None:
    assert {gpu.key for gpu in WITH_MIG} == {"a30", "a100-40", "a100-80", "h100-80", "h200", "b200"}
    assert all({"mig_guide", "mig_lgip"} <= set(gpu.sources) for gpu in WITH_MIG)


@pytest.mark.parametrize("gpu", WITH_MIG, ids=lambda gpu: gpu.key)
def test_a_profile_holds_less_than_its_name_says_and_than_the_whole_gpu(gpu: Gpu) -> None:
    for profile in gpu.mig:
        named = int(profile.name.split(".")[1].removesuffix("gb"))
        assert 0.85 * named < profile.visible_gib < named
        assert profile.visible_gib < gpu.visible_gib


@pytest.mark.parametrize(
    ("product", "profile", "reported_gib"),
    [
        # What torch reported there, in published outputs.
        ("a100-80", "3g.40gb", 39.25),
        ("h200", "1g.35gb", 32.5),
        ("h200", "3g.71gb", 69.8),
        # What nvidia-smi showed as the instance's total: 19968 MiB.
        ("a100-40", "3g.20gb", 19.5),
    ],
)
def test_no_more_memory_is_counted_than_was_seen(
    product: str, profile: str, reported_gib: float
) -> None:
    assert reported_gib - 0.5 < instance(product, profile).visible_gib <= reported_gib


def test_a_pod_asks_for_one_instance_by_its_profile_s_resource() -> None:
    placement = planned([preset("a100-80", mig="3g.40gb")]).placement
    assert (placement.gpu_resource, placement.gpus) == ("nvidia.com/mig-3g.40gb", 1)
    assert placement.product == "a100-80-mig-3g.40gb"


def test_a_model_is_sized_by_the_instance_and_not_by_the_gpu_around_it() -> None:
    fitting = chosen("mistral-7b-instruct", [preset("a100-80", mig="2g.20gb")])
    _, sized = fitting.chosen.settled()
    whole = chosen("mistral-7b-instruct", [preset("a100-80")]).chosen.settled()[1]
    assert sized.memory.usable_gib < 19.5 < whole.memory.usable_gib
    with pytest.raises(PlanError) as refused:
        chosen("mistral-7b-instruct", [preset("a100-80", mig="1g.10gb")])
    text = str(only(refused.value.mistakes))
    assert "does not fit" in text
    assert "x a100-80" not in text, "more instances are no remedy"


def test_an_instance_that_fits_is_chosen_over_a_dearer_whole_gpu() -> None:
    presets = [preset("a100-80", price=4), preset("a100-80", price=1, mig="3g.40gb", name="part")]
    plan = planned(presets)
    assert plan.placement.preset == "part"
    assert plan.verdicts[0].product == "a100-80-mig-3g.40gb"
    assert "1 x a100-80-mig-3g.40gb (1 per hour)" in "\n".join(explanation_lines(plan))


@pytest.mark.parametrize(
    ("product", "profile", "said"),
    [
        ("a100-80", "3g.20gb", "the profiles of a100-80 are 1g.10gb, 1g.20gb, 2g.20gb, 3g.40gb"),
        ("l4", "1g.10gb", "no MIG profile of l4 is known"),
        ("mi300x", "1g.10gb", "no MIG profile of mi300x is known"),
    ],
)
def test_a_profile_that_the_gpu_does_not_have_is_refused(
    product: str, profile: str, said: str
) -> None:
    with pytest.raises(PlanError) as refused:
        planned([preset(product, mig=profile)])
    assert said in str(only(refused.value.mistakes))


@pytest.mark.parametrize("gpus", [0, 2])
def test_one_replica_takes_exactly_one_instance(gpus: int) -> None:
    raw = {"name": "part", "vendor": "nvidia", "product": "h100-80", "mig": "3g.40gb"}
    raw |= {"gpus": gpus, "cpu": 8, "memory": "64Gi"}
    config = {"model": "m/m", "kubernetes": '{"context": "c"}', "ingress": '{"enabled": false}'}
    config["presets"] = json.dumps([raw])
    mistakes = [str(m) for m in parse(config, secret=frozenset()).mistakes]
    assert len(mistakes) == 1
    assert mistakes[0].startswith(f"presets[0].gpus: 'part' asks for {gpus} MIG instances")


def test_nodes_of_the_strategy_single_are_refused_since_an_instance_is_called_a_gpu_there() -> None:
    label = "NVIDIA-H100-80GB-HBM3-MIG-3g.40gb"
    pool = {"nodeSelector": {"nvidia.com/gpu.product": label}}
    for one in (preset("h100-80", pool=pool), preset("h100-80", pool=pool, mig="3g.40gb")):
        with pytest.raises(PlanError) as refused:
            planned([one])
        assert "use MIG strategy single" in str(only(refused.value.mistakes))


def test_an_instance_shared_among_pods_is_refused_as_a_shared_gpu_is() -> None:
    label = "NVIDIA-H100-80GB-HBM3-MIG-3g.40gb-SHARED"
    pool = {"nodeSelector": {"nvidia.com/mig-3g.40gb.product": label}}
    with pytest.raises(PlanError) as refused:
        planned([preset("h100-80", pool=pool, mig="3g.40gb")])
    assert "share a GPU among pods" in str(only(refused.value.mistakes))


def test_an_instance_is_no_key_of_the_catalogue() -> None:
    assert not any("-mig-" in key for key in GPUS)
