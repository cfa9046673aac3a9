"""Which preset a model gets, which it is refused and why, and what a refusal advises."""

import re

import pytest

from catalog.loader import find_model
from planning.errors import PlanError
from planning.fit import LEAST_CONTEXT
from planning.overrides import image_release
from planning.presets import Choice, choose, evaluate
from planning.remedies import quantised_siblings
from settings.models import Preset
from tests.choices import COUNTS, GPUS, chosen, of_vendor, only, preset

SMALL = "mistral-small-3.2"
SEVEN = "mistral-7b-instruct"
TIGHT = [preset("rtx5090", 2)]
"""Holds Small 3.2 with 35,840 tokens of its 131,072, or 72,704 with an FP8 cache."""


def refusal(model: str, presets: list[Preset], **asked: object) -> str:
    with pytest.raises(PlanError) as caught:
        chosen(model, presets, **asked)
    return str(only(caught.value.mistakes))


def where(choice: Choice) -> tuple[str, int, int]:
    sized = choice.chosen.settled()[1]
    return choice.chosen.preset.name, sized.tensor_parallel, sized.engine.max_model_len


# --- the named cases of the product's promise ---


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


# --- order and ranks ---


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


# --- gates ---


@pytest.mark.parametrize(
    ("model", "one", "asked", "reason"),
    [
        ("devstral-2", preset("mi210"), {}, "does not run fp8 weights"),
        ("mistral-large-3-nvfp4", preset("mi300x"), {}, "does not run nvfp4 weights"),
        (SEVEN, preset("v100-32"), {"dtype": "bfloat16"}, "does not run dtype bfloat16"),
        (SEVEN, preset("a100-80"), {"kv_cache_dtype": "fp8"}, "kvCacheDtype fp8"),
        (SEVEN, preset("mi210"), {"quantization": "fp8"}, "does not run fp8 weights"),
        (
            "ministral-3-14b-instruct-2512-bf16",
            preset("l40s"),
            {"image": "vllm/vllm-openai:v0.11.2"},
            "vLLM 0.11.2, of the image, lacks the model, which needs 0.12.0",
        ),
        (
            SEVEN,
            preset("v100-32"),
            {"image": "vllm/vllm-openai:v0.31.0"},
            "vLLM 0.31.0 of the image is newer than 0.19.1, the GPU's last",
        ),
        (
            SEVEN,
            preset("gh200-96", pool={"nodeSelector": {"kubernetes.io/arch": "amd64"}}),
            {},
            "its nodes are arm64; the node selector asks for amd64",
        ),
        (
            SEVEN,
            preset("l4", pool={"nodeSelector": {"nvidia.com/cuda.driver-version.major": "550"}}),
            {},
            "driver 550 is older than 580, which the image needs",
        ),
    ],
)
def test_a_gate_refuses_with_its_reason(
    model: str, one: Preset, asked: dict[str, object], reason: str
) -> None:
    assert reason in refusal(model, [one], **asked)


def test_the_stack_s_own_node_selector_counts_for_the_gates() -> None:
    asked = (("kubernetes.io/arch", "arm64"),)
    assert "amd64; the node selector asks for arm64" in refusal(
        SEVEN, [preset("l4")], node_selector=asked
    )


def test_a_v100_takes_the_last_image_that_carries_it_and_refuses_what_that_cannot_serve() -> None:
    sized = chosen(SEVEN, [preset("v100-32")]).chosen.settled()[1]
    assert sized.engine.vllm_version == "0.19.1"
    text = refusal("voxtral-mini-4b-realtime-2602", [preset("v100-32")])
    assert "vLLM 0.19.1, the last for this GPU, lacks the model, which needs 0.20.0" in text


def test_an_unknown_product_is_one_mistake_with_a_hint() -> None:
    wrong = preset("l4").model_copy(update={"product": "l44"})
    text = refusal(SEVEN, [wrong, preset("l40s")])
    assert text.startswith("presets: 'l4-1' names the product 'l44'; the products are a10, ")
    assert "did you mean 'l4" in text


def test_a_product_of_the_other_vendor_is_a_mistake() -> None:
    text = refusal(SEVEN, [preset("mi300x").model_copy(update={"vendor": "nvidia"})])
    assert "names the vendor 'nvidia' for 'mi300x'" in text
    assert "set vendor to amd" in text


# --- overrides ---


def test_an_override_that_fits_is_obeyed() -> None:
    engine = (
        chosen(
            SEVEN, [preset("l4")], max_model_len=4096, max_num_seqs=8, max_num_batched_tokens=512
        )
        .chosen.settled()[1]
        .engine
    )
    assert (engine.max_model_len, engine.max_num_seqs, engine.max_num_batched_tokens) == (
        4096,
        8,
        512,
    )


def test_a_context_that_does_not_fit_is_refused_with_the_numbers_and_the_one_that_does() -> None:
    text = refusal(SMALL, TIGHT, max_model_len=131072, wanted="rtx5090-2")
    assert text.startswith("maxModelLen: ")
    assert re.search(r"lacks \d+\.\d GiB per GPU, \d+\.\d of \d+\.\d at context 131072", text)
    length = int(re.search(r"set maxModelLen to (\d+)", text)[1])  # type: ignore[index]
    assert where(chosen(SMALL, TIGHT, max_model_len=length))[2] == length


def test_a_context_beyond_the_model_s_positions_is_refused() -> None:
    text = refusal(SEVEN, [preset("h200")], max_model_len=40000)
    assert text.startswith("maxModelLen: 40000 is more than the 32768 positions")


def test_a_utilisation_that_leaves_too_little_beside_the_budget_is_refused() -> None:
    text = refusal(SEVEN, [preset("l4")], gpu_memory_utilization=0.99)
    assert text.startswith("gpuMemoryUtilization: ")
    assert "at most 0.97" in text


def test_more_sequences_than_states_fit_is_refused() -> None:
    text = refusal("mamba-codestral-7b", [preset("l4")], max_num_seqs=200)
    assert text.startswith("maxNumSeqs: ")
    assert re.search(r"maxNumSeqs 200 is more than the \d+ states that fit", text)


def test_weights_that_are_quantised_already_are_not_converted_again() -> None:
    text = refusal("devstral-2", [preset("h200", 4)], quantization="fp8")
    assert text.startswith("quantization: fp8 is asked of mistralai/Devstral-2")


def test_converted_weights_take_half() -> None:
    text = refusal(SMALL, [preset("l40s")])
    assert "GiB per GPU" in text
    assert where(chosen(SMALL, [preset("l40s")], quantization="fp8"))[0] == "l40s-1"


def test_force_obeys_what_memory_refuses_and_says_so() -> None:
    found = chosen(SEVEN, [preset("l4")], max_model_len=32768, max_num_seqs=1024, force=True)
    assert found.forced is None
    tight = chosen(SMALL, TIGHT, max_model_len=131072, force=True)
    assert tight.forced is not None
    assert "GiB per GPU" in tight.forced
    assert where(tight)[2] == 131072


def test_force_does_not_run_what_the_gpu_cannot() -> None:
    assert "does not run fp8 weights" in refusal("devstral-2", [preset("mi210")], force=True)


def test_forcing_is_not_advised_where_even_the_weights_are_too_large() -> None:
    assert "force" not in refusal("mistral-large-3", [preset("l4")])
    assert "set force to true" in refusal(SMALL, TIGHT, max_model_len=131072)


# --- what a refusal advises ---


def test_a_named_preset_that_does_not_fit_names_the_cheapest_that_does() -> None:
    text = refusal(SMALL, [preset("l4"), preset("h100-80"), preset("h200")], wanted="l4-1")
    assert text.startswith("preset: mistralai/Mistral-Small-3.2-24B-Instruct-2506 does not fit on")
    assert "set preset to auto (the cheapest that fits is 'h100-80-1')" in text


def test_every_preset_is_listed_with_what_it_lacks() -> None:
    text = refusal("mistral-large-3", [preset("l4"), preset("h100-80", 2), preset("t4")])
    assert re.search(r"l4-1 lacks \d+\.\d GiB per GPU", text)
    assert re.search(r"h100-80-2 lacks \d+\.\d GiB per GPU", text)
    assert "t4-1: float16 only" in text


def test_each_advised_change_makes_the_model_fit() -> None:
    model, small = "ministral-3-14b-instruct-2512-bf16", [preset("l4", price=1)]
    text = refusal(model, small)
    sibling = re.search(r"set model to (\S+) \((\w+) weights, fits 'l4-1'\)", text)
    assert sibling is not None
    assert where(chosen(sibling[1], small))[0] == "l4-1"
    more = re.search(r"add a preset with (\d+) x l4", text)
    assert more is not None
    assert where(chosen(model, [preset("l4", int(more[1]))]))[0] == f"l4-{more[1]}"


def test_an_fp8_cache_is_advised_where_it_alone_is_enough() -> None:
    asked = {"max_model_len": 65536}
    assert "set kvCacheDtype to fp8 (fits 'rtx5090-2')" in refusal(SMALL, TIGHT, **asked)
    assert where(chosen(SMALL, TIGHT, kv_cache_dtype="fp8", **asked))[2] == 65536
    assert "kvCacheDtype" not in refusal(SMALL, TIGHT, max_model_len=131072)


def test_what_the_user_asked_for_is_named_when_it_alone_is_in_the_way() -> None:
    text = refusal(SEVEN, [preset("l4")], image="vllm/vllm-openai:v0.9.2")
    assert text.startswith("image: ")
    assert text.endswith("change or remove image")


@pytest.mark.parametrize(
    ("model", "sibling"),
    [
        ("ministral-3-14b-instruct-2512-bf16", "mistralai/Ministral-3-14B-Instruct-2512"),
        ("mistral-large-3", "mistralai/Mistral-Large-3-675B-Instruct-2512-NVFP4"),
        ("mistral-small-24b-instruct-2501", "stelterlab/Mistral-Small-24B-Instruct-2501-AWQ"),
    ],
)
def test_a_quantised_sibling_is_the_same_model_in_fewer_bytes(model: str, sibling: str) -> None:
    assert quantised_siblings(find_model(model))[0].id == sibling


@pytest.mark.parametrize(
    ("image", "release"),
    [
        ("vllm/vllm-openai:v0.31.0", "0.31.0"),
        ("vllm/vllm-openai:v0.20.2-cu129", "0.20.2"),
        ("registry.example.com:5000/vllm:0.33", "0.33"),
        (f"vllm/vllm-openai:v0.31.0@sha256:{'0' * 64}", "0.31.0"),
        ("example/vllm:nightly", None),
        (f"vllm/vllm-openai@sha256:{'0' * 64}", None),
    ],
)
def test_the_release_is_read_from_the_tag(image: str, release: str | None) -> None:
    assert image_release(image) == release


def test_the_choice_of_an_empty_list_is_refused() -> None:
    with pytest.raises(PlanError, match="no GPU there"):
        choose(find_model(SEVEN), [], gpus=GPUS)
