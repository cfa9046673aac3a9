"""What is read out of a checkpoint's config: architecture, attention and task."""

from dataclasses import replace
from typing import Any

import pytest

from catalog.loader import find_model
from catalog.records import AttentionLayers
from planning.checkpoint import Checkpoint, UnsupportedModelError
from planning.checkpoint_model import model_of
from tests.hub.checkpoints import (
    LARGE_3_PARAMS,
    MISTRAL_7B_CONFIG,
    MISTRAL_7B_PARAMS,
)
from tests.unit.read_checkpoints import config, hf, mistral


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
    found = model_of(mistral(LARGE_3_PARAMS, encoder))
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
