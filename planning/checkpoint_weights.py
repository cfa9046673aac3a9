"""Bytes and parameters of a checkpoint, as vLLM loads it."""

import re
from dataclasses import dataclass
from math import prod

from catalog.records import DataType, Quantization
from planning.checkpoint import Checkpoint, Tensor
from planning.checkpoint_config import Config

ENCODER = re.compile(
    r"(^|\.)(vision_tower|vision_model|visual|vision_encoder|multi_modal_projector|mm_projector"
    r"|vision_language_adapter|patch_merger|pre_mm_projector_norm|audio_tower|whisper_encoder"
    r"|audio_language_projection)\."
)
"""Modules of a vision or audio encoder and its projector, in transformers' and Mistral's names."""

_HEAD = re.compile(r"(language_model\.|model\.)?(lm_head|output)\.weight")

_NOT_A_PARAMETER = re.compile(
    r"(scale|scales|scale_inv|zeros|zero_point|g_idx|weight_shape|scale_2|qscale_act|qscale_weight)$"
)
"""What a quantised weight brings along, in the names of the formats vLLM reads."""

_KEPT_IN_32_BIT = re.compile(r"(scale|scales|scale_inv|scale_2|correction_bias|A_log)$")
"""Tensors that vLLM does not convert to the type of the model."""

_BYTES: dict[Quantization, float] = {
    "none": 2.0,
    "awq": 0.5195,
    "fp8": 1.0,
    "gptq": 0.5195,
    "mxfp4": 0.53125,
    "nvfp4": 0.5625,
}
"""Bytes of a decoder weight with its scales, group 128 for AWQ and GPTQ.

Source: the format descriptions: 4 bits + (16 + 4) / 128 bits; FP8 per tensor; an 8-bit scale for
32 (MXFP4) or 16 (NVFP4) weights of 4 bits.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Sums over the tensors that vLLM keeps; `is_counted` is False where file sizes stand in."""

    loaded_bytes: int
    parameters: int
    encoder_parameters: int
    dtype: DataType
    is_counted: bool


def weights_of(checkpoint: Checkpoint, config: Config, method: Quantization) -> Weights:
    """Count what stays in GPU memory of the tensors, or estimate it from the files' sizes."""
    text = config.part("text_config") or config
    dtype = _dtype(config, text, checkpoint.tensors)
    if not checkpoint.tensors:
        is_wide = _stated_dtype(config, text) == "float32"
        loaded = checkpoint.size // 2 if is_wide else checkpoint.size
        return Weights(
            loaded_bytes=loaded,
            parameters=int(loaded / _BYTES[method]),
            encoder_parameters=0,
            dtype=dtype,
            is_counted=False,
        )
    kept = [tensor for tensor in checkpoint.tensors if _is_loaded(tensor.name, text)]
    return Weights(
        loaded_bytes=sum(_loaded_bytes(tensor) for tensor in kept),
        parameters=sum(_parameters(tensor) for tensor in kept),
        encoder_parameters=sum(_parameters(t) for t in kept if ENCODER.search(t.name)),
        dtype=dtype,
        is_counted=True,
    )


def _is_loaded(name: str, text: Config) -> bool:
    """Not what predicts further tokens ahead, nor the copy of an embedding that is shared."""
    layers = text.optional("num_hidden_layers")
    numbered = re.search(r"(?:^|\.)layers\.(\d+)\.", name)
    is_encoder = ENCODER.search(name) is not None
    extra = text.optional("num_nextn_predict_layers")
    if layers and extra and numbered and not is_encoder and int(numbered[1]) >= layers:
        return False
    is_tied = text.values.get("tie_word_embeddings") is True
    return not (is_tied and _HEAD.fullmatch(name))


def _loaded_bytes(tensor: Tensor) -> int:
    is_wide = tensor.dtype in ("F32", "F64") and not _KEPT_IN_32_BIT.search(tensor.name)
    return 2 * prod(tensor.shape) if is_wide else tensor.size


def _parameters(tensor: Tensor) -> int:
    if _NOT_A_PARAMETER.search(tensor.name):
        return 0
    # Eight 4-bit weights share a 32-bit word, two share a byte.
    packed = {"I32": 8, "U8": 2}.get(tensor.dtype, 1)
    return packed * prod(tensor.shape)


def _dtype(config: Config, text: Config, tensors: tuple[Tensor, ...]) -> DataType:
    """The type of the activations with `--dtype auto` on a GPU that has bfloat16.

    Source: vLLM 0.33, config/model.py: the config's type, float32 as bfloat16.
    """
    stated = _stated_dtype(config, text)
    if stated is None and tensors:
        half = sum(tensor.size for tensor in tensors if tensor.dtype == "F16")
        brain = sum(tensor.size for tensor in tensors if tensor.dtype == "BF16")
        return "float16" if half > brain else "bfloat16"
    return "float16" if stated == "float16" else "bfloat16"


def _stated_dtype(config: Config, text: Config) -> str | None:
    for part in (config, text):
        for name in ("dtype", "torch_dtype"):
            value = part.values.get(name)
            if isinstance(value, str):
                return value.removeprefix("torch.")
    return None
