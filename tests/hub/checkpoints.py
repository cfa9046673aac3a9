"""Configs and tensors of real checkpoints, made again from the shapes their makers publish."""

from collections.abc import Iterator
from itertools import chain

from tests.hub.repositories import File, json_file, safetensors, sharded

Shape = tuple[int, ...]
Tensors = dict[str, tuple[str, Shape]]

MISTRAL_7B_CONFIG: dict[str, object] = {
    "architectures": ["MistralForCausalLM"],
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 32768,
    "model_type": "mistral",
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "vocab_size": 32768,
}

MISTRAL_7B_PARAMS: dict[str, object] = {
    "dim": 4096,
    "n_layers": 32,
    "head_dim": 128,
    "hidden_dim": 14336,
    "n_heads": 32,
    "n_kv_heads": 8,
    "vocab_size": 32768,
    "rope_theta": 1000000.0,
}

LARGE_3_PARAMS: dict[str, object] = {
    "dim": 7168,
    "n_layers": 61,
    "head_dim": 128,
    "hidden_dim": 16384,
    "n_heads": 128,
    "n_kv_heads": 128,
    "vocab_size": 131072,
    "tied_embeddings": False,
    "max_position_embeddings": 294912,
    "q_lora_rank": 1536,
    "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 128,
    "kv_lora_rank": 512,
    "v_head_dim": 128,
    "llama_4_scaling": {"original_max_position_embeddings": 8192, "beta": 0.1},
    "quantization": {"qformat_weight": "fp8_e4m3", "qscheme_act": "TENSOR"},
    "moe": {
        "expert_hidden_dim": 4096,
        "expert_parallel": 1,
        "first_k_dense_replace": 3,
        "num_experts": 128,
        "num_experts_per_tok": 4,
        "num_shared_experts": 1,
    },
    "vision_encoder": {
        "hidden_size": 1664,
        "image_size": 1540,
        "intermediate_size": 8192,
        "num_attention_heads": 16,
        "num_hidden_layers": 48,
        "patch_size": 14,
    },
}


def _layer_7b(layer: int) -> Iterator[tuple[str, Shape]]:
    prefix = f"model.layers.{layer}."
    yield f"{prefix}self_attn.q_proj.weight", (4096, 4096)
    yield f"{prefix}self_attn.k_proj.weight", (1024, 4096)
    yield f"{prefix}self_attn.v_proj.weight", (1024, 4096)
    yield f"{prefix}self_attn.o_proj.weight", (4096, 4096)
    for name in ("gate_proj", "up_proj"):
        yield f"{prefix}mlp.{name}.weight", (14336, 4096)
    yield f"{prefix}mlp.down_proj.weight", (4096, 14336)
    for name in ("input_layernorm", "post_attention_layernorm"):
        yield f"{prefix}{name}.weight", (4096,)


def mistral_7b(dtype: str = "BF16") -> Tensors:
    """The 7.25 billion parameters of Mistral 7B v0.3, in transformers' names."""
    ends: list[tuple[str, Shape]] = [
        ("model.embed_tokens.weight", (32768, 4096)),
        ("model.norm.weight", (4096,)),
        ("lm_head.weight", (32768, 4096)),
    ]
    layers = chain.from_iterable(_layer_7b(layer) for layer in range(32))
    return {name: (dtype, shape) for name, shape in chain(ends, layers)}


def mistral_7b_files() -> dict[str, File]:
    """Mistral 7B v0.3 as its repository holds it: the weights twice, in both formats."""
    tensors = list(mistral_7b().items())
    shards = [dict(tensors[:150]), dict(tensors[150:])]
    return {
        "config.json": json_file(MISTRAL_7B_CONFIG),
        "params.json": json_file(MISTRAL_7B_PARAMS),
        "consolidated.safetensors": safetensors(mistral_7b()),
        **sharded("model", shards),
    }


def mistral_7b_awq() -> Tensors:
    """The same with the linear layers in four bits, groups of 128, as AWQ packs them."""
    packed: Tensors = {}
    for name, (_, shape) in mistral_7b("F16").items():
        if "_proj" not in name:
            packed[name] = ("F16", shape)
            continue
        rows, columns = shape[1], shape[0]
        stem = name.removesuffix(".weight")
        packed[f"{stem}.qweight"] = ("I32", (rows, columns // 8))
        packed[f"{stem}.qzeros"] = ("I32", (rows // 128, columns // 8))
        packed[f"{stem}.scales"] = ("F16", (rows // 128, columns))
    return packed
