"""What vLLM takes on one GPU beside weights and cache: activations, CUDA graphs, libraries."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planning.errors import PlanError
from planning.units import GIB
from settings.mistakes import Mistake

if TYPE_CHECKING:
    from catalog.records import Architecture, Encoder, Gpu, Model, Quantization

_RELEASE = re.compile(r"v?(\d+)\.(\d+)")
# The sampler warm-up peaks at 9.2 to 9.9 copies of the logits in float32 (seven published runs,
# vLLM 0.11.0 to 0.31.0, 256 and 1024 sequences); it is not divided by tensor parallel.
_SAMPLER_COPIES = 10
# Penalty counters of model runner V2: int32 counts and one bit per token for each sequence and word
# of the vocabulary (vllm/v1/worker/gpu/sample/penalties.py, 0.31.0).
_PENALTY_BYTES = 4 * (1 + 1 / 32)
# A margin, not a measurement: no published log gives the peak of an encoder by itself.
_ENCODER_MARGIN = 1.5 * GIB
# Patches that the Mistral encoders merge into one token, and their largest image side in pixels.
_PATCHES_PER_TOKEN = 4
_IMAGE_SIZE = 1540
# Context rows of MLA that one step of a chunked prefill projects up at most
# (determine_chunked_prefill_workspace_size in mla_attention.py, 0.31.0).
_LATENT_ROWS = 64 * 1024
# What torch does not see: 0.08 to 0.14 GiB on one GPU, 0.54 and 0.55 on two, 0.95 on four
# (published logs, vLLM 0.11.0 to 0.31.0). No log of an AMD card gives it: a wider margin there.
_NON_TORCH_GIB = {
    ("nvidia", False): 0.2,
    ("nvidia", True): 1.0,
    ("amd", False): 0.6,
    ("amd", True): 1.1,
}
# Beside the budget: CUDA context and libraries, made before vLLM takes its snapshot, then the
# buffers of NCCL or RCCL (vllm/v1/worker/gpu_worker.py, init_device), and on Blackwell the
# workspace of FlashInfer (VLLM_FLASHINFER_WORKSPACE_BUFFER_SIZE, 394 MiB), made after the cache.
_CONTEXT_GIB = 0.6
_COLLECTIVES_GIB = 1.0
_FLASHINFER_GIB = 394 / 1024
_BLACKWELL = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """The arguments of `vllm serve` that change what it takes; lengths and batches are in tokens.

    The defaults are the planner's own: vLLM's depend on the GPU, up to 1024 sequences and 16,384
    tokens, and make the sampler take 5 GiB (get_batch_defaults in engine/arg_utils.py).
    """

    max_model_len: int
    vllm_version: str
    max_num_seqs: int = 64
    max_num_batched_tokens: int = 2048
    gpu_memory_utilization: float = 0.92
    kv_cache_dtype: str = "auto"
    quantization: Quantization | None = None
    enforce_eager: bool = False

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor version of vLLM."""
        found = _RELEASE.match(self.vllm_version)
        if found is None:
            raise PlanError(
                Mistake(
                    key="vllmVersion",
                    wrong=f"{self.vllm_version!r} is not a release",
                    rule="sizes are those of a release",
                    remedy="write one such as 0.31.0",
                )
            )
        return int(found[1]), int(found[2])

    @property
    def in_flight_tokens(self) -> int:
        """Tokens that a sliding window keeps beyond its width while batches are in flight.

        0.31.0 keeps two batches (max_in_flight_tokens in config/vllm.py, asynchronous scheduling),
        0.19.1 one (v1/kv_cache_interface.py); the releases between are taken to keep two.
        """
        return self.max_num_batched_tokens * (2 if self.release >= (0, 20) else 1)


def activation_bytes(model: Model, tensor_parallel: int, settings: EngineSettings) -> float:
    """Peak of the profile run, with the buffers that the sampler then keeps.

    Encoder, decoder and sampler run one after the other (profile_run in
    v1/worker/gpu/model_runner.py, 0.31.0), so the largest counts; the encoder's output stays
    while the decoder runs.
    """
    decoder = _decoder_bytes(model.architecture, tensor_parallel, settings)
    words = settings.max_num_seqs * model.architecture.vocabulary
    sampler = penalties = kept = encoder = 0.0
    if model.task != "embedding":
        sampler = _SAMPLER_COPIES * words * 4.0
        penalties = _PENALTY_BYTES * words if settings.release >= (0, 20) else 0.0
    if model.architecture.encoder:
        encoder = _encoder_bytes(model.architecture.encoder, settings)
        kept = settings.max_num_batched_tokens * model.architecture.hidden * 2.0
    return max(decoder, sampler, encoder) + kept + penalties


def cuda_graph_bytes(model: Model, weights: float, settings: EngineSettings) -> float:
    """Estimate of the CUDA graphs from the bytes of weights on one GPU.

    vLLM's own estimates seen: 0.37 GiB (7B), 0.64 (4B hybrid), 1.94 (27B), 4.99 (107 GiB of
    weights with experts per GPU); what the capture then takes is 5 to 20 % less, and 1.03 GiB at
    64 GiB with experts.
    """
    if settings.enforce_eager:
        return 0.0
    gib = weights / GIB
    if gib >= 32:
        experts = 1.0 + 0.05 * max(0.0, gib - 64) if model.architecture.experts else 0.0
        return min(2.0 + experts, 5.0) * GIB
    if gib >= 16 or model.architecture.state_space:
        return 0.8 * GIB
    return 0.4 * GIB


def graphs_are_budgeted(settings: EngineSettings) -> bool:
    """Whether vLLM takes its estimate of the CUDA graphs off the budget: the default since 0.21."""
    return settings.release >= (0, 21)


def non_torch_bytes(gpu: Gpu, tensor_parallel: int) -> float:
    """Memory of libraries that vLLM finds after loading, and charges to the budget."""
    return _NON_TORCH_GIB[gpu.vendor, tensor_parallel > 1] * GIB


def outside_bytes(gpu: Gpu, tensor_parallel: int) -> float:
    """Memory that must stay free of the budget, since vLLM does not count it."""
    total = _CONTEXT_GIB + (_COLLECTIVES_GIB if tensor_parallel > 1 else 0.0)
    if gpu.compute_capability and gpu.compute_capability[0] >= _BLACKWELL:
        total += _FLASHINFER_GIB
    return total * GIB


def _decoder_bytes(shape: Architecture, tensor_parallel: int, settings: EngineSettings) -> float:
    """Three rows of the widest layer and four of the residual stream for each batched token.

    Experts add a residual row for each expert that a token goes to. An upper bound: the published
    runs with few sequences stay below it.
    """
    width, rows = float(shape.intermediate), 4
    if shape.experts:
        active = shape.experts.per_token + shape.experts.shared
        width = max(width, float(shape.experts.intermediate * active))
        rows += shape.experts.per_token
    if shape.state_space:
        width = max(width, float(shape.state_space.expand * shape.hidden))
    row = 3 * width / tensor_parallel + rows * shape.hidden
    return settings.max_num_batched_tokens * row * 2 + _latent_bytes(
        shape, tensor_parallel, settings
    )


def _latent_bytes(shape: Architecture, tensor_parallel: int, settings: EngineSettings) -> float:
    latent = shape.latent
    if latent is None:
        return 0.0
    rows = min(_LATENT_ROWS, max(8 * settings.max_model_len, 4 * settings.max_num_seqs * 16))
    width = latent.nope_head_dim + latent.value_head_dim
    return rows * shape.heads / tensor_parallel * width * 2


def _encoder_bytes(encoder: Encoder, settings: EngineSettings) -> float:
    """Peak of a vision encoder over one batch of patches, at least the margin.

    Until 0.19 the mask of the Pixtral encoder is a square over all patches; 0.31.0 packs images
    without one (models/pixtral.py).
    """
    if encoder.kind != "vision" or not encoder.hidden or not encoder.intermediate:
        return _ENCODER_MARGIN
    side = (encoder.image_size or _IMAGE_SIZE) // (encoder.patch or 14)
    patches = max(settings.max_num_batched_tokens * _PATCHES_PER_TOKEN, side * side)
    peak = patches * (3 * encoder.intermediate + 4 * encoder.hidden) * 2.0
    if settings.release < (0, 20):
        peak += patches * patches * 2.0
    return max(_ENCODER_MARGIN, peak)
