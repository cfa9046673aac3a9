"""What is read out of a checkpoint's config and tensors, against published totals."""

from dataclasses import replace
from typing import Any

import pytest

from catalog.loader import find_model
from catalog.records import AttentionLayers
from planning.checkpoint import Checkpoint, Tensor, UnsupportedModelError, WeightSet
from planning.checkpoint_model import model_of
from tests.hub.checkpoints import (
    LARGE_3_PARAMS,
    MISTRAL_7B_CONFIG,
    MISTRAL_7B_PARAMS,
    Tensors,
    mistral_7b,
    mistral_7b_awq,
)
from tests.hub.repositories import BYTES_PER_ELEMENT


def stored(tensors: Tensors) -> tuple[Tensor, ...]:
    found: list[Tensor] = []
    for name, (dtype, shape) in tensors.items():
        size = BYTES_PER_ELEMENT[dtype]
        for dimension in shape:
            size *= dimension
        found.append(Tensor(name, dtype, shape, (0, size)))
    return tuple(found)


def hf(config: dict[str, Any], tensors: Tensors | None = None, **facts: Any) -> Checkpoint:
    made = Checkpoint(
        model="acme/model",
        commit="c" * 40,
        weights=WeightSet(format="safetensors", files=("model.safetensors",)),
        size=14_000_000_000,
        tensors=stored(mistral_7b() if tensors is None else tensors),
        config=config,
        params=None,
        gated=False,
        private=False,
        has_chat_template=True,
    )
    return replace(made, **facts)


def mistral(params: dict[str, Any], tensors: Tensors | None = None, **facts: Any) -> Checkpoint:
    weights = WeightSet(format="mistral", files=("consolidated.safetensors",))
    return replace(
        hf({}, tensors), **{"config": None, "params": params, "weights": weights} | facts
    )


def config(**changed: Any) -> dict[str, Any]:
    return {**MISTRAL_7B_CONFIG, **changed}


@pytest.mark.parametrize("checkpoint", [hf(MISTRAL_7B_CONFIG), mistral(MISTRAL_7B_PARAMS)])
def test_both_formats_of_mistral_7b_give_the_record_of_the_catalogue(
    checkpoint: Checkpoint,
) -> None:
    known = find_model("mistralai/Mistral-7B-Instruct-v0.3")
    found = model_of(replace(checkpoint, config=MISTRAL_7B_CONFIG))
    assert found.parameters == known.parameters == 7_248_023_552
    assert found.weights_bytes == known.weights_bytes == 14_496_047_104
    assert found.architecture == known.architecture
    assert (found.dtype, found.quantization, found.task) == ("bfloat16", "none", "chat")


def test_without_a_length_in_either_config_the_length_is_what_vllm_assumes() -> None:
    found = model_of(mistral(MISTRAL_7B_PARAMS))
    assert found.architecture.max_position_embeddings == 128_000


def test_the_native_config_of_large_3_gives_the_architecture_of_the_catalogue() -> None:
    known = find_model("mistralai/Mistral-Large-3-675B-Instruct-2512")
    encoder = {"vision_encoder.transformer.weight": ("BF16", (2_570_087_168,))}
    found = model_of(mistral(LARGE_3_PARAMS, encoder))  # pyright: ignore[reportArgumentType]
    assert found.architecture == known.architecture
    assert found.quantization == "fp8"
    assert found.weight_format == "mistral"


def test_the_config_of_a_deepseek_model_gives_the_architecture_of_the_catalogue() -> None:
    known = find_model("deepseek-ai/DeepSeek-V3-0324")
    found = model_of(
        hf(
            {
                "architectures": ["DeepseekV3ForCausalLM"],
                "hidden_size": 7168,
                "intermediate_size": 18432,
                "num_hidden_layers": 61,
                "num_attention_heads": 128,
                "num_key_value_heads": 128,
                "vocab_size": 129280,
                "max_position_embeddings": 163840,
                "kv_lora_rank": 512,
                "q_lora_rank": 1536,
                "qk_nope_head_dim": 128,
                "qk_rope_head_dim": 64,
                "v_head_dim": 128,
                "n_routed_experts": 256,
                "n_shared_experts": 1,
                "num_experts_per_tok": 8,
                "moe_intermediate_size": 2048,
                "first_k_dense_replace": 3,
                "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]},
            }
        )
    )
    assert found.architecture == known.architecture
    assert (found.quantization, found.quantization_block) == ("fp8", 128)


def test_a_state_space_model_is_read_from_the_config_of_transformers() -> None:
    known = find_model("mistralai/Mamba-Codestral-7B-v0.1")
    found = model_of(
        mistral(
            {"dim": 4096, "n_layers": 64, "model_type": "mamba"},
            config={
                "architectures": ["Mamba2ForCausalLM"],
                "hidden_size": 4096,
                "num_hidden_layers": 64,
                "num_heads": 128,
                "head_dim": 64,
                "state_size": 128,
                "n_groups": 8,
                "expand": 2,
                "conv_kernel": 4,
                "vocab_size": 32768,
            },
        )
    )
    assert found.architecture == known.architecture
    assert found.weight_format == "hf"


def test_windows_and_full_layers_are_counted_as_the_config_lists_them() -> None:
    pattern = ["sliding_attention", "full_attention"] * 16
    found = model_of(hf(config(sliding_window=128, layer_types=pattern)))
    assert found.architecture.attention == (
        AttentionLayers(kind="full", layers=16),
        AttentionLayers(kind="sliding_window", layers=16, window=128),
    )


def test_a_list_of_windows_in_the_native_config_repeats_over_the_layers() -> None:
    found = model_of(mistral({**MISTRAL_7B_PARAMS, "sliding_window": [None, 32768, 32768, 32768]}))
    assert found.architecture.attention == (
        AttentionLayers(kind="full", layers=8),
        AttentionLayers(kind="sliding_window", layers=24, window=32768),
    )


@pytest.mark.parametrize(
    ("changed", "kinds"),
    [
        ({"sliding_window": 4096}, {"sliding_window": 32}),
        ({"sliding_window": 4096, "use_sliding_window": False}, {"full": 32}),
        ({"sliding_window": 1024, "model_type": "gemma3"}, {"full": 5, "sliding_window": 27}),
        ({"attention_chunk_size": 8192}, {"full": 8, "chunked": 24}),
    ],
)
def test_windows_without_a_list_follow_the_defaults_of_the_family(
    changed: dict[str, Any], kinds: dict[str, int]
) -> None:
    found = model_of(hf(config(**changed))).architecture.attention
    assert {group.kind: group.layers for group in found} == kinds


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


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"architectures": ["WhisperForConditionalGeneration"]}, "WhisperForConditionalGeneration"),
        ({"architectures": []}, "names no architecture"),
        ({"layer_types": ["linear_attention"] * 32}, "layer type linear_attention"),
        ({"num_attention_heads": None}, "does not state num_attention_heads"),
        ({"vocab_size": None}, "does not state vocab_size"),
    ],
)
def test_what_the_memory_model_lacks_is_named(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnsupportedModelError, match=reason):
        model_of(hf(config(**changed)))


@pytest.mark.parametrize(
    ("facts", "task"),
    [
        ({"has_chat_template": True}, "chat"),
        ({"has_chat_template": False}, "completion"),
        ({"pipeline_tag": "feature-extraction"}, "embedding"),
        ({"pipeline_tag": "automatic-speech-recognition"}, "transcription"),
        ({"config": config(architectures=["MistralModel"])}, "embedding"),
    ],
)
def test_the_task_follows_from_template_tag_and_class(facts: dict[str, Any], task: str) -> None:
    assert model_of(replace(hf(MISTRAL_7B_CONFIG), **facts)).task == task


def test_a_native_base_model_completes_and_any_other_native_model_chats() -> None:
    named = mistral(MISTRAL_7B_PARAMS, has_chat_template=False)
    assert model_of(replace(named, model="mistralai/Tiny-Base-2512")).task == "completion"
    assert model_of(replace(named, model="mistralai/Tiny-Instruct-2512")).task == "chat"
