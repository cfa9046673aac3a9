"""What is read out of a checkpoint's tensors, against published totals."""

from typing import Any

import pytest

from catalog.loader import find_model
from planning.checkpoint import UnsupportedModelError
from planning.checkpoint_model import model_of
from tests.hub.checkpoints import (
    MISTRAL_7B_CONFIG,
    MISTRAL_7B_PARAMS,
    Tensors,
    mistral_7b,
    mistral_7b_awq,
)
from tests.unit.read_checkpoints import config, hf, mistral


def test_four_bit_weights_are_counted_as_parameters_and_in_their_bytes() -> None:
    quantised = config(
        quantization_config={"quant_method": "awq", "bits": 4}, torch_dtype="float16"
    )
    found = model_of(hf(quantised, mistral_7b_awq()))
    known = find_model("TheBloke/Mistral-7B-Instruct-v0.2-AWQ")
    assert found.parameters == 7_248_023_552
    assert (found.quantization, found.dtype) == ("awq", "float16")
    assert found.weights_bytes == pytest.approx(known.weights_bytes, rel=0.005)


def test_weights_in_32_bit_are_counted_in_the_16_that_vllm_converts_them_to() -> None:
    found = model_of(hf(config(torch_dtype="float32"), mistral_7b("F32")))
    assert found.weights_bytes == 14_496_047_104
    assert found.dtype == "bfloat16"


def test_what_is_downloaded_and_kept_is_the_files_not_what_is_loaded_of_them() -> None:
    files = 2 * 14_496_047_104
    found = model_of(hf(config(torch_dtype="float32"), mistral_7b("F32"), size=files))
    assert found.download_bytes == files
    assert find_model("mistral-7b-instruct").download_bytes == 14_496_047_104


def test_layers_that_predict_further_tokens_are_not_loaded() -> None:
    ahead: Tensors = {"model.layers.32.mlp.gate_proj.weight": ("BF16", (14336, 4096))}
    found = model_of(hf(config(num_nextn_predict_layers=1), mistral_7b() | ahead))
    assert found.parameters == 7_248_023_552


def test_a_shared_embedding_is_loaded_once() -> None:
    found = model_of(hf(config(tie_word_embeddings=True)))
    assert found.parameters == 7_248_023_552 - 32768 * 4096


def test_an_encoder_and_its_projector_are_counted_apart_and_in_the_total() -> None:
    encoder: Tensors = {
        "vision_tower.transformer.layers.0.attention.q_proj.weight": ("BF16", (1000, 1000)),
        "multi_modal_projector.linear_1.weight": ("BF16", (10, 1000)),
    }
    text = {name: value for name, value in MISTRAL_7B_CONFIG.items() if name != "architectures"}
    found = model_of(
        hf(
            {
                "architectures": ["Mistral3ForConditionalGeneration"],
                "text_config": text,
                "vision_config": {"num_hidden_layers": 24, "hidden_size": 1024, "patch_size": 14},
            },
            mistral_7b() | encoder,
        )
    )
    assert found.architecture.encoder is not None
    assert found.architecture.encoder.parameters == 1_010_000
    assert found.parameters == 7_248_023_552 + 1_010_000


def test_an_audio_encoder_in_the_native_config_is_read_unless_it_has_a_cache_of_its_own() -> None:
    def params(causal: bool) -> dict[str, Any]:
        shape = {"dim": 1280, "n_layers": 32, "hidden_dim": 5120, "n_heads": 20, "causal": causal}
        return MISTRAL_7B_PARAMS | {"multimodal": {"whisper_model_args": {"encoder_args": shape}}}

    encoder = model_of(mistral(params(causal=False))).architecture.encoder
    assert encoder is not None
    assert (encoder.kind, encoder.layers, encoder.hidden, encoder.heads) == ("audio", 32, 1280, 20)
    with pytest.raises(UnsupportedModelError, match="VoxtralRealtimeGeneration"):
        model_of(mistral(params(causal=True)))


def test_without_headers_the_size_of_the_files_stands_in_with_low_confidence() -> None:
    found = model_of(hf(MISTRAL_7B_CONFIG, {}, size=14_496_050_000))
    assert found.weights_bytes == 14_496_050_000
    assert found.parameters == 7_248_025_000
    assert found.confidence == "low"


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ({"quant_method": "fp8"}, "fp8"),
        ({"quant_method": "gptq", "bits": 4}, "gptq"),
        ({"quant_method": "mxfp4"}, "mxfp4"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4"),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "float"}}},
            },
            "nvfp4",
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float"}}},
            },
            "fp8",
        ),
    ],
)
def test_each_way_to_say_a_quantisation_is_understood(
    scheme: dict[str, Any], expected: str
) -> None:
    assert model_of(hf(config(quantization_config=scheme))).quantization == expected


@pytest.mark.parametrize(
    "scheme",
    [
        {"quant_method": "bitsandbytes"},
        {"quant_method": "gptq", "bits": 8},
        {
            "quant_method": "compressed-tensors",
            "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "int"}}},
        },
    ],
)
def test_a_quantisation_without_a_memory_model_is_refused(scheme: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedModelError, match="quantisation"):
        model_of(hf(config(quantization_config=scheme)))
