"""What the user asks of the engine instead of the plan's own values."""

from __future__ import annotations

import re
from dataclasses import dataclass

from catalog.records import DataType, Gpu, Model, Quantization
from planning.engine_args import KvCacheDtype
from planning.memory import EngineSettings
from settings.models import StackSettings

_TAG_RELEASE = re.compile(r":v?(0\.\d+(?:\.\d+)?)(?![\d.])[^:/@]*(?:@|$)")
"""Every release of vLLM begins with 0 so far. A larger first number is of another scheme, such as
the year and month of NVIDIA's images (nvcr.io/nvidia/vllm:25.10-py3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """Values from the stack config; None leaves the choice to the plan. Lengths are in tokens.

    `node_selector` holds the labels that the stack adds to every preset's own, `max_nodes` is how
    many nodes one replica may take, and `force` obeys what the memory model refuses.
    """

    max_model_len: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    gpu_memory_utilization: float | None = None
    dtype: DataType | None = None
    quantization: Quantization | None = None
    kv_cache_dtype: KvCacheDtype = "auto"
    image: str | None = None
    node_selector: tuple[tuple[str, str], ...] = ()
    max_nodes: int = 1
    force: bool = False


def overrides_of(settings: StackSettings) -> Overrides:
    """Take what concerns the engine from a stack's settings."""
    named: dict[str, DataType] = {
        "bfloat16": "bfloat16",
        "float16": "float16",
        "half": "float16",
    }
    return Overrides(
        max_model_len=settings.max_model_len,
        max_num_seqs=settings.max_num_seqs,
        max_num_batched_tokens=settings.max_num_batched_tokens,
        gpu_memory_utilization=settings.gpu_memory_utilization,
        dtype=named.get(settings.dtype or "auto"),
        quantization=settings.quantization,
        kv_cache_dtype=settings.kv_cache_dtype or "auto",
        image=settings.image,
        node_selector=tuple(sorted(settings.node_selector.items())),
        max_nodes=settings.multi_node.max_nodes,
        force=settings.force,
    )


def image_release(image: str) -> str | None:
    """Read the vLLM release that an image's tag begins with; None where it can name none."""
    found = _TAG_RELEASE.search(image)
    return found[1] if found else None


def served_release(gpu: Gpu, overrides: Overrides) -> str:
    """Give the vLLM release that will run, taking the catalogue's where an image's is unknown."""
    own = image_release(overrides.image) if overrides.image else None
    return own or gpu.image.vllm_version


def engine_settings(model: Model, gpu: Gpu, overrides: Overrides, context: int) -> EngineSettings:
    """Settle what memory depends on: the user's value, else the makers', else the planner's own.

    vLLM refuses fewer batched tokens than sequences (vllm/config/scheduler.py), so the one that
    nobody asked for follows the other.
    """
    advised = model.recommended
    plain = EngineSettings(max_model_len=context, vllm_version=served_release(gpu, overrides))
    tokens = overrides.max_num_batched_tokens
    sequences = overrides.max_num_seqs or advised.max_num_seqs or plain.max_num_seqs
    if tokens is None:
        least = advised.max_num_batched_tokens or plain.max_num_batched_tokens
        tokens = max(least, sequences)
    elif overrides.max_num_seqs is None:
        sequences = min(sequences, tokens)
    return EngineSettings(
        max_model_len=context,
        vllm_version=plain.vllm_version,
        max_num_seqs=sequences,
        max_num_batched_tokens=tokens,
        gpu_memory_utilization=overrides.gpu_memory_utilization
        or advised.gpu_memory_utilization
        or plain.gpu_memory_utilization,
        kv_cache_dtype=overrides.kv_cache_dtype,
        quantization=overrides.quantization,
    )
