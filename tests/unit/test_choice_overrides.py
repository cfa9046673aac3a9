"""What a stack may ask of the engine: obeyed, refused with the numbers, or forced."""

import re

import pytest

from planning.overrides import image_release
from tests.choices import chosen, preset
from tests.unit.choice_refusals import SEVEN, SMALL, TIGHT, refusal, where


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


@pytest.mark.parametrize(
    ("image", "release"),
    [
        ("vllm/vllm-openai:v0.31.0", "0.31.0"),
        ("vllm/vllm-openai:v0.20.2-cu129", "0.20.2"),
        ("registry.example.com:5000/vllm:0.33", "0.33"),
        (f"vllm/vllm-openai:v0.31.0@sha256:{'0' * 64}", "0.31.0"),
        ("example/vllm:nightly", None),
        ("nvcr.io/nvidia/vllm:25.10-py3", None),
        ("example/vllm:v1.4.2", None),
        ("rocm/vllm:rocm7.0_vllm_0.11.0", None),
        (f"vllm/vllm-openai@sha256:{'0' * 64}", None),
    ],
)
def test_the_release_is_read_from_the_tag(image: str, release: str | None) -> None:
    assert image_release(image) == release
