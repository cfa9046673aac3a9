"""The shape of a decoder and the cache kind of each of its layers, from a checkpoint's config."""

from collections import Counter

from catalog.records import (
    Architecture,
    AttentionKind,
    AttentionLayers,
    Encoder,
    EncoderKind,
    Experts,
    LatentAttention,
    StateSpace,
)
from planning.checkpoint import UnsupportedModelError
from planning.checkpoint_config import Config

SUPPORTED = frozenset(
    {
        "CohereForCausalLM",
        "Cohere2ForCausalLM",
        "DeepseekV2ForCausalLM",
        "DeepseekV3ForCausalLM",
        "Gemma2ForCausalLM",
        "Gemma3ForCausalLM",
        "Gemma3ForConditionalGeneration",
        "GemmaForCausalLM",
        "Glm4ForCausalLM",
        "Glm4MoeForCausalLM",
        "GptOssForCausalLM",
        "GraniteForCausalLM",
        "GraniteMoeForCausalLM",
        "GraniteMoeHybridForCausalLM",
        "Llama4ForCausalLM",
        "Llama4ForConditionalGeneration",
        "LlamaForCausalLM",
        "LlamaModel",
        "LlavaForConditionalGeneration",
        "Mamba2ForCausalLM",
        "Ministral3ForCausalLM",
        "Mistral3ForConditionalGeneration",
        "MistralForCausalLM",
        "MistralLarge3ForCausalLM",
        "MistralModel",
        "MixtralForCausalLM",
        "Olmo2ForCausalLM",
        "OlmoForCausalLM",
        "Phi3ForCausalLM",
        "PixtralForConditionalGeneration",
        "Qwen2ForCausalLM",
        "Qwen2Model",
        "Qwen2MoeForCausalLM",
        "Qwen2VLForConditionalGeneration",
        "Qwen2_5_VLForConditionalGeneration",
        "Qwen3ForCausalLM",
        "Qwen3Model",
        "Qwen3MoeForCausalLM",
        "SmolLM3ForCausalLM",
        "Starcoder2ForCausalLM",
        "VoxtralForConditionalGeneration",
    }
)
"""Classes that vLLM 0.33 serves (its model registry) and whose caches the memory model knows."""

_LAYER_KINDS: dict[str, AttentionKind] = {
    "full_attention": "full",
    "attention": "full",
    "sliding_attention": "sliding_window",
    "chunked_attention": "chunked",
    "mamba": "state_space",
}

_PERIODS = {"gemma2": 2, "gemma3": 6, "gemma3_text": 6, "cohere2": 4}
"""Every so many layers one attends to everything, where the config leaves that to the defaults.

Source: transformers 5.23.0, models/{gemma2,gemma3,cohere2}/configuration_*.py.
"""

_LLAMA4_PERIOD = 4
"""Layers from one without rotary embedding, which attends to everything, to the next (Llama 4)."""


def architecture(config: Config, encoder_parameters: int) -> Architecture:
    """The decoder's shape; `encoder_parameters` of a vision or audio encoder, if there is one.

    Raises:
        UnsupportedModelError: the class is not supported, or a key that is needed is not there.
    """
    _check_supported(config)
    text = config.part("text_config", "llm_config", "thinker_config") or config
    attention = _attention(text)
    has_attention = any(group.kind != "state_space" for group in attention)
    latent = _latent(text)
    heads = text.integer("num_attention_heads") if has_attention else 0
    return Architecture(
        layers=text.integer("num_hidden_layers", "n_layer"),
        hidden=text.integer("hidden_size", "n_embd"),
        intermediate=_intermediate(text) if has_attention else 0,
        heads=heads,
        kv_heads=_kv_heads(text, heads, latent),
        head_dim=_head_dim(text, heads, latent),
        vocabulary=text.integer("vocab_size"),
        tied_embeddings=text.values.get(
            "tie_word_embeddings", config.values.get("tie_word_embeddings")
        )
        is True,
        max_position_embeddings=_positions(text, has_attention),
        attention=attention,
        latent=latent,
        experts=_experts(text),
        state_space=_state_space(text, attention),
        encoder=_encoder(config, encoder_parameters),
    )


def _check_supported(config: Config) -> None:
    named = config.texts("architectures")
    if not named:
        reason = f"{config.file} names no architecture"
    elif named[0] not in SUPPORTED:
        reason = f"the memory model does not know the caches of architecture {named[0]}"
    else:
        return
    raise UnsupportedModelError(
        config.model,
        reason,
        "choose a model of the catalogue, or describe this one in catalog/models.yaml",
    )


def _attention(text: Config) -> tuple[AttentionLayers, ...]:
    layers = text.integer("num_hidden_layers", "n_layer")
    counted = Counter(_kinds(text, layers))
    chunk = text.optional("attention_chunk_size")
    window = text.optional("sliding_window")
    windows = {"sliding_window": window, "chunked": chunk}
    return tuple(
        AttentionLayers(kind=kind, layers=counted[kind], window=windows.get(kind))
        for kind in sorted(counted)
    )


def _kinds(text: Config, layers: int) -> list[AttentionKind]:
    if text.optional("kv_lora_rank"):
        return ["latent"] * layers
    if text.values.get("model_type") == "mamba2" or "Mamba2ForCausalLM" in text.texts(
        "architectures"
    ):
        return ["state_space"] * layers
    window = text.optional("sliding_window")
    uses_window = window is not None and text.values.get("use_sliding_window") is not False
    if stated := text.texts("layer_types"):
        return [_stated_kind(text, name, uses_window) for name in stated]
    if text.optional("attention_chunk_size"):
        return _periodic("chunked", _LLAMA4_PERIOD, layers)
    if not uses_window:
        return ["full"] * layers
    period = text.optional("sliding_window_pattern") or _PERIODS.get(_model_type(text), 0)
    return _periodic("sliding_window", period, layers)


def _stated_kind(text: Config, name: str, uses_window: bool) -> AttentionKind:
    if name not in _LAYER_KINDS:
        raise UnsupportedModelError(
            text.model,
            f"the memory model does not know the cache of layer type {name}",
            "choose a model of the catalogue, or describe this one in catalog/models.yaml",
        )
    kind = _LAYER_KINDS[name]
    return "full" if kind == "sliding_window" and not uses_window else kind


def _periodic(kind: AttentionKind, period: int, layers: int) -> list[AttentionKind]:
    """Layers of one kind, every `period`-th of them full; with 0 none is."""
    return ["full" if period and (layer + 1) % period == 0 else kind for layer in range(layers)]


def _model_type(text: Config) -> str:
    return str(text.values.get("model_type", ""))


def _latent(text: Config) -> LatentAttention | None:
    if text.optional("kv_lora_rank") is None:
        return None
    return LatentAttention(
        query_rank=text.optional("q_lora_rank") or 0,
        kv_rank=text.integer("kv_lora_rank"),
        nope_head_dim=text.integer("qk_nope_head_dim"),
        rope_head_dim=text.integer("qk_rope_head_dim"),
        value_head_dim=text.integer("v_head_dim"),
    )


def _kv_heads(text: Config, heads: int, latent: LatentAttention | None) -> int:
    if latent is not None or not heads:
        return heads
    return text.optional("num_key_value_heads") or heads


def _head_dim(text: Config, heads: int, latent: LatentAttention | None) -> int:
    if latent is not None:
        return latent.nope_head_dim + latent.rope_head_dim
    if not heads:
        return 0
    return text.optional("head_dim") or text.integer("hidden_size") // heads


def _intermediate(text: Config) -> int:
    return text.optional("intermediate_size_mlp") or text.integer(
        "intermediate_size", "shared_intermediate_size", "ffn_hidden_size"
    )


def _positions(text: Config, has_attention: bool) -> int:
    names = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
    if has_attention:
        return text.integer(*names)
    # A state space has no positions; the length that Mistral states for its Mamba model.
    return text.optional(*names) or 262_144


def _experts(text: Config) -> Experts | None:
    count = text.optional("n_routed_experts", "num_local_experts", "num_experts")
    if not count or count < 2:
        return None
    width = text.optional("moe_intermediate_size") or text.integer("intermediate_size")
    shared = text.optional("n_shared_experts")
    if shared is None:
        shared_width = text.optional("shared_expert_intermediate_size") or 0
        shared = -(-shared_width // width)
    if text.optional("intermediate_size_mlp"):  # Llama 4 always has one, without saying so
        shared = 1
    return Experts(
        count=count,
        per_token=text.integer("num_experts_per_tok", "num_experts_per_token", "experts_per_token"),
        shared=shared,
        intermediate=width,
        dense_layers=_dense_layers(text),
    )


def _dense_layers(text: Config) -> int:
    layers = text.integer("num_hidden_layers")
    step = text.optional("interleave_moe_layer_step", "decoder_sparse_step") or 1
    dense = text.values.get("mlp_only_layers")
    named = len(dense) if isinstance(dense, list) else 0  # pyright: ignore[reportUnknownArgumentType]
    return (text.optional("first_k_dense_replace") or 0) + layers - layers // step + named


def _state_space(text: Config, attention: tuple[AttentionLayers, ...]) -> StateSpace | None:
    if not any(group.kind == "state_space" for group in attention):
        return None
    return StateSpace(
        heads=text.integer("num_heads", "mamba_n_heads"),
        head_dim=text.integer("head_dim", "mamba_d_head"),
        state=text.integer("state_size", "mamba_d_state"),
        groups=text.integer("n_groups", "mamba_n_groups"),
        expand=text.integer("expand", "mamba_expand"),
        convolution=text.integer("conv_kernel", "mamba_d_conv"),
    )


def _encoder(config: Config, parameters: int) -> Encoder | None:
    kind: EncoderKind
    if (part := config.part("vision_config")) is not None:
        kind = "vision"
    elif (part := config.part("audio_config")) is not None:
        kind = "audio"
    else:
        return None
    layers = part.optional("num_hidden_layers", "depth", "encoder_layers")
    hidden = part.optional("hidden_size", "d_model")
    intermediate = part.optional("intermediate_size", "encoder_ffn_dim")
    if not parameters and layers and hidden and intermediate:
        # Attention and a gated feed-forward; only where no header tells it.
        parameters = layers * (4 * hidden * hidden + 3 * hidden * intermediate)
    return Encoder(
        kind=kind,
        parameters=parameters,
        layers=layers,
        hidden=hidden,
        intermediate=intermediate,
        heads=part.optional("num_attention_heads", "num_heads", "encoder_attention_heads"),
        patch=part.optional("patch_size"),
        image_size=part.optional("image_size"),
    )
