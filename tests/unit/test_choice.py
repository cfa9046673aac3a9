"""Which preset a model gets: the named cases of the product's promise, order and ranks."""

import re

import pytest

from catalog.loader import find_model
from planning.errors import PlanError
from planning.fit import LEAST_CONTEXT
from planning.presets import choose, evaluate
from tests.choices import COUNTS, GPUS, chosen, of_vendor, preset
from tests.unit.choice_refusals import SEVEN, SMALL, refusal, where


@pytest.mark.parametrize("gpus", COUNTS)
@pytest.mark.parametrize("wanted", ["auto", "named"])
def test_mistral_7b_never_lands_on_a_t4(gpus: int, wanted: str) -> None:
    name = f"t4-{gpus}" if wanted == "named" else "auto"
    text = refusal(SEVEN, [preset("t4", gpus)], wanted=name)
    assert "float16 only; the model is bfloat16" in text


def test_mistral_7b_lacks_memory_on_one_t4_even_as_float16() -> None:
    assert re.search(r"lacks \d\.\d GiB per GPU", refusal(SEVEN, [preset("t4")], dtype="float16"))


def test_a_t4_is_not_chosen_for_mistral_7b_though_it_is_the_cheapest() -> None:
    presets = [preset("t4", gpus, price=0.1) for gpus in COUNTS]
    assert chosen(SEVEN, [*presets, preset("l4", price=9)]).chosen.preset.name == "l4-1"


def test_a_preset_that_holds_no_replica_is_refused_with_its_capacity_unless_forced() -> None:
    none, dearer = preset("l4", capacity=0), preset("a10g", price=9)
    assert chosen(SEVEN, [none, dearer]).chosen.preset.name == "a10g-1"
    for wanted in ("auto", "l4-1"):
        text = refusal(SEVEN, [none], wanted=wanted)
        assert "holds no replica, by its capacity of 0" in text
        assert "raise the preset's capacity" in text
        assert "preset with" not in text
        assert chosen(SEVEN, [none], wanted=wanted, force=True).chosen.preset.name == "l4-1"


@pytest.mark.parametrize(
    ("product", "gpus"),
    [("a100-80", 1), ("h100-80", 1), ("a100-40", 2), ("mi300x", 1), ("mi210", 1), ("mi250x", 2)],
)
def test_small_in_bfloat16_lands_on_80_gb_or_two_of_40(product: str, gpus: int) -> None:
    name, ranks, context = where(chosen(SMALL, [preset(product, gpus)]))
    assert (name, ranks) == (f"{product}-{gpus}", gpus)
    assert context >= LEAST_CONTEXT


@pytest.mark.parametrize("product", ["a100-40", "l40s", "rtx6000ada", "l4", "rtx5090"])
def test_small_in_bfloat16_does_not_land_on_one_gpu_of_48_gb_or_less(product: str) -> None:
    assert "GiB per GPU" in refusal(SMALL, [preset(product)])


@pytest.mark.parametrize(
    ("model", "nvidia", "amd"),
    [
        ("mixtral-8x22b-instruct", ("a100-80", 4), ("mi300x", 2)),
        ("mistral-large-instruct-2411", ("a100-80", 4), ("mi300x", 2)),
        ("devstral-2", ("h100-80", 2), ("mi300x", 1)),
        ("mistral-large-3", ("h200", 8), ("mi300x", 4)),
    ],
)
def test_a_large_model_gets_the_fewest_gpus_that_hold_it(
    model: str, nvidia: tuple[str, int], amd: tuple[str, int]
) -> None:
    for product, gpus in (nvidia, amd):
        name, ranks, _ = where(chosen(model, [preset(product, count) for count in COUNTS]))
        assert (name, ranks) == (f"{product}-{gpus}", gpus)
        if gpus > 1:
            text = refusal(model, [preset(product, count) for count in COUNTS if count < gpus])
            assert re.search(rf"{product}-1 lacks \d+\.\d GiB per GPU", text)
            assert f"add a preset with {gpus} x {product}" in text


@pytest.mark.parametrize("vendor", ["nvidia", "amd"])
@pytest.mark.parametrize(
    "model",
    ["mixtral-8x22b-instruct", "mistral-large-instruct-2411", "devstral-2", "mistral-large-3"],
)
def test_a_large_model_is_placed_on_both_vendors(model: str, vendor: str) -> None:
    sized = chosen(model, of_vendor(vendor)).chosen.settled()[1]
    assert find_model(model).allows_tensor_parallel(sized.tensor_parallel)
    assert sized.memory.required_gib <= sized.memory.usable_gib


def test_the_order_is_price_then_gpus_then_spare_memory_then_name() -> None:
    cheap = preset("l4", price=1)
    twice = preset("l4", 2, price=1)
    larger = preset("l40s", price=1)
    twin = preset("l4", price=1, name="a-twin")
    dear = preset("l4", price=2, name="dear")
    given = [dear, twice, larger, cheap, twin]
    order = [found.preset.name for found in evaluate(find_model(SEVEN), given, gpus=GPUS)]
    assert order == ["a-twin", "l4-1", "l40s-1", "l4-2", "dear"]


def test_a_number_of_gpus_that_cannot_shard_uses_fewer_ranks() -> None:
    found = chosen(SEVEN, [preset("l4", 3)]).chosen.settled()[1]
    assert found.tensor_parallel == 2


def test_a_preset_without_a_gpu_is_legal_and_never_chosen() -> None:
    bare = preset(None, 0, price=0, name="cpu")
    found = chosen(SEVEN, [bare, preset("l4")])
    assert found.chosen.preset.name == "l4-1"
    assert [one.refusal for one in found.candidates] == ["has no GPU", None]
    assert "no GPU there" in refusal(SEVEN, [bare])


def test_the_choice_of_an_empty_list_is_refused() -> None:
    with pytest.raises(PlanError, match="no GPU there"):
        choose(find_model(SEVEN), [], gpus=GPUS)
