"""What the weights take on one GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catalog.records import Architecture, Model, Quantization

# Bytes of one weight of a linear layer, scales included: AWQ and GPTQ are 4 bits with a 16-bit
# scale and a zero point per 128 weights, NVFP4 has an 8-bit scale per 16, MXFP4 one per 32. The
# sums equal the published sizes of Ministral 3, Medium 3.5 (FP8) and gpt-oss (MXFP4).
LINEAR_BYTES: dict[Quantization, float] = {
    "none": 2.0,
    "awq": 0.5195,
    "fp8": 1.0,
    "gptq": 0.5195,
    "mxfp4": 0.53125,
    "nvfp4": 0.5625,
}
# Largest ratio of "Model loading took" to the bytes of the weight set in 17 published start-up
# lines: 13.58 / 13.49 GiB (Mistral 7B on one GPU) and 13.9476 / 13.76 GiB (14B on two).
_LOADED_ONE_GPU = 1.007
_LOADED_MORE_GPUS = 1.014
# MXFP4 tiles are padded: 65.97 GiB loaded of 60.77 for gpt-oss-120b, 13.72 of 12.82 for the 20b.
_LOADED_MXFP4 = 1.086


def weights_bytes_per_gpu(
    model: Model, tensor_parallel: int, quantization: Quantization | None = None
) -> float:
    """Bytes of weights on each GPU once vLLM has loaded them.

    `quantization` converts 16-bit weights while they load (`--quantization fp8`). Layers that vLLM
    replicates on every rank are counted once per rank. Source of the ratios: published logs.
    """
    total = converted_weights_bytes(model, quantization)
    replicated = min(total, replicated_bytes(model, tensor_parallel, quantization))
    per_gpu = (total - replicated) / tensor_parallel + replicated
    if model.quantization == "mxfp4":
        return per_gpu * _LOADED_MXFP4
    return per_gpu * (_LOADED_ONE_GPU if tensor_parallel == 1 else _LOADED_MORE_GPUS)


def converted_weights_bytes(model: Model, quantization: Quantization | None = None) -> float:
    """Bytes of the weight set, after converting its linear layers where that is asked.

    Embeddings, the output head and the encoder stay in 16 bits.
    """
    if quantization is None or quantization == model.quantization:
        return float(model.weights_bytes)
    linear = linear_parameters(model)
    return linear * LINEAR_BYTES[quantization] + (model.parameters - linear) * 2.0


def linear_parameters(model: Model) -> int:
    """Parameters of the decoder without embeddings, output head and encoder."""
    shape = model.architecture
    embeddings = shape.vocabulary * shape.hidden
    if not (shape.tied_embeddings or model.task == "embedding"):
        embeddings *= 2
    encoder = shape.encoder.parameters if shape.encoder else 0
    return max(0, model.parameters - embeddings - encoder)


def replicated_bytes(
    model: Model, tensor_parallel: int, quantization: Quantization | None = None
) -> float:
    """Bytes that every rank holds whole: latent projections, expert routers, the vision projector.

    Source: ReplicatedLinear layers in vLLM 0.31.0 (deepseek_v2, mixtral, pixtral) and, for kv heads
    fewer than ranks, QKVParallelLinear.
    """
    shape = model.architecture
    width = LINEAR_BYTES[quantization or model.quantization]
    total = _latent_projections(shape) * width + _surplus_kv_heads(shape, tensor_parallel) * width
    if shape.experts:
        routed = shape.layers - shape.experts.dense_layers
        total += routed * shape.hidden * shape.experts.count * 2
    if shape.encoder and shape.encoder.kind == "vision" and shape.encoder.hidden:
        inner = shape.encoder.hidden
        total += (shape.hidden**2 + shape.hidden * inner + 4 * inner**2) * 2
    return total


def _latent_projections(shape: Architecture) -> int:
    latent = shape.latent
    if latent is None:
        return 0
    return shape.layers * shape.hidden * (latent.query_rank + latent.kv_rank + latent.rope_head_dim)


def _surplus_kv_heads(shape: Architecture, tensor_parallel: int) -> float:
    if shape.latent or not shape.kv_heads or tensor_parallel <= shape.kv_heads:
        return 0.0
    surplus = 1 - shape.kv_heads / tensor_parallel
    return shape.layers * shape.hidden * 2 * shape.head_dim * surplus
