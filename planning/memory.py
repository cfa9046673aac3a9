"""Whether a model fits a GPU: vLLM's accounting, without a GPU.

vLLM may fill `gpu_memory_utilization` of the memory that torch sees. It takes off weights, the peak
of a profile run and, since 0.21, an estimate of the CUDA graphs, and gives the rest to the cache,
which must hold one request of `max_model_len` (determine_available_memory in
vllm/v1/worker/gpu_worker.py). Everything is per GPU and in bytes until the plan, which is in GiB
(2**30); GB never appear.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor
from typing import TYPE_CHECKING

from planning.errors import PlanError
from planning.kv_cache import BLOCK_TOKENS, CacheLayout, cache_layout
from planning.memory_overhead import (
    EngineSettings,
    activation_bytes,
    cuda_graph_bytes,
    graphs_are_budgeted,
    non_torch_bytes,
    outside_bytes,
)
from planning.units import GIB
from planning.weights import weights_bytes_per_gpu
from settings.mistakes import Mistake

if TYPE_CHECKING:
    from catalog.records import Gpu, Model

__all__ = ["EngineSettings", "MemoryPlan", "memory", "rank_cache_layout"]

_OLDEST = (0, 10)  # the first release whose engine this accounting describes


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPlan:
    """Where the memory of one GPU goes; every `_gib` is 2**30 bytes on one GPU.

    `required_gib` is weights, activation, non-torch, the CUDA graphs where vLLM charges them to the
    budget (0.21 and later) and the cache of one request of `max_model_len`. `usable_gib` is the
    budget: `gpu_memory_utilization`, lowered where what vLLM does not count needs the room, times
    visible memory. `kv_cache_gib` is what is left for the cache, negative when even that is
    missing. `max_concurrency` is how many requests of `max_model_len` the cache then holds.
    """

    weights_gib: float
    activation_gib: float
    cuda_graph_gib: float
    non_torch_gib: float
    request_gib: float
    required_gib: float
    usable_gib: float
    gpu_memory_utilization: float
    kv_cache_gib: float
    kv_cache_tokens: int
    kv_bytes_per_token: float
    max_concurrency: float
    max_model_len_that_fits: int
    fits: bool


def memory(model: Model, gpu: Gpu, tensor_parallel: int, settings: EngineSettings) -> MemoryPlan:
    """Account for one rank of a model on one GPU of a tensor-parallel group.

    Raises:
        PlanError: vLLM cannot shard the model over so many GPUs, or is older than 0.10.
    """
    _check(model, tensor_parallel, settings)
    weights = weights_bytes_per_gpu(model, tensor_parallel, settings.quantization)
    graphs = cuda_graph_bytes(model, weights, settings)
    utilization = _utilization(gpu, tensor_parallel, settings, graphs)
    usable = utilization * gpu.visible_gib * GIB
    libraries = non_torch_bytes(gpu, tensor_parallel)
    fixed = weights + libraries + (graphs if graphs_are_budgeted(settings) else 0.0)
    layout = rank_cache_layout(model, tensor_parallel, settings)
    activation = activation_bytes(model, tensor_parallel, settings)
    request = layout.request_bytes(settings.max_model_len)
    left = usable - fixed - activation
    return MemoryPlan(
        weights_gib=weights / GIB,
        activation_gib=activation / GIB,
        cuda_graph_gib=graphs / GIB,
        non_torch_gib=libraries / GIB,
        request_gib=request / GIB,
        required_gib=(fixed + activation + request) / GIB,
        usable_gib=usable / GIB,
        gpu_memory_utilization=utilization,
        kv_cache_gib=left / GIB,
        kv_cache_tokens=layout.tokens(left, settings.max_model_len),
        kv_bytes_per_token=layout.bytes_per_token,
        max_concurrency=layout.requests(left, settings.max_model_len),
        max_model_len_that_fits=_longest(model, tensor_parallel, settings, usable - fixed),
        fits=request <= left,
    )


def _check(model: Model, tensor_parallel: int, settings: EngineSettings) -> None:
    if tensor_parallel < 1 or not model.allows_tensor_parallel(tensor_parallel):
        valid = [size for size in (1, 2, 4, 8, 16) if model.allows_tensor_parallel(size)]
        raise PlanError(
            Mistake(
                key="tensorParallel",
                wrong=f"{tensor_parallel} does not shard {model.id}",
                rule="heads and layer widths must divide evenly",
                remedy=f"take one of {', '.join(map(str, valid))}",
            )
        )
    if settings.release < _OLDEST:
        raise PlanError(
            Mistake(
                key="vllmVersion",
                wrong=f"{settings.vllm_version} has an engine of another kind",
                rule="sizes are known from 0.10 on",
                remedy="take a newer image",
            )
        )


def _utilization(gpu: Gpu, tensor_parallel: int, settings: EngineSettings, graphs: float) -> float:
    """The asked utilisation, or the largest of two decimals that leaves room for the uncounted."""
    outside = outside_bytes(gpu, tensor_parallel)
    if not graphs_are_budgeted(settings):
        outside += graphs
    room = 1 - outside / (gpu.visible_gib * GIB)
    if settings.gpu_memory_utilization <= room:
        return settings.gpu_memory_utilization
    return max(0.0, floor(room * 100) / 100)


def rank_cache_layout(model: Model, tensor_parallel: int, settings: EngineSettings) -> CacheLayout:
    """Lay out the cache of one rank under these settings; bytes per GPU."""
    return cache_layout(
        model.architecture,
        tensor_parallel=tensor_parallel,
        element_bytes=1 if settings.kv_cache_dtype.startswith("fp8") else 2,
        in_flight_tokens=settings.in_flight_tokens,
    )


def _longest(model: Model, tensor_parallel: int, settings: EngineSettings, free: float) -> int:
    """The longest context whose one request fits, in whole blocks up to the model's own; else 0."""
    layout = rank_cache_layout(model, tensor_parallel, settings)

    def fits(blocks: int) -> bool:
        asked = replace(settings, max_model_len=blocks * BLOCK_TOKENS)
        activation = activation_bytes(model, tensor_parallel, asked)
        return activation + layout.request_bytes(asked.max_model_len) <= free

    low, high = 0, model.architecture.max_position_embeddings // BLOCK_TOKENS
    if fits(high):
        return high * BLOCK_TOKENS
    while low < high - 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low * BLOCK_TOKENS
