"""Other estimators of GPU memory, written from their documented formulas.

Each answers one question: how many GiB of a GPU are left for the cache, which is the budget less
all that the formula counts beside the cache. hf-mem and recipes know no budget and KAITO a fixed
one, so theirs is what the line was run with.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from planning.units import GIB

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.sizing_logs import Log
    from catalog.records import Model, Quantization

_GB = 10**9
# recipes 8959cf64: bytes per parameter; AWQ and GPTQ count as 8 bits.
_RECIPES_BYTES: dict[Quantization, float] = {
    "none": 2,
    "awq": 1,
    "fp8": 1,
    "gptq": 1,
    "mxfp4": 0.5,
    "nvfp4": 0.5,
}


def hf_mem(model: Model, log: Log) -> float:
    """hf-mem 0.5.6: the bytes in the safetensors headers and nothing else, over all GPUs."""
    return _budget_gib(log) - model.weights_bytes / log.tensor_parallel / GIB


def kaito(model: Model, log: Log) -> float:
    """KAITO 056b8280, nodesestimator: weights x 1.02 and 5 % of that again, and 2.3 GiB of base.

    Its fixed utilisation of 0.84 is replaced by the one that the line was run with.
    """
    weights = 1.02 * model.weights_bytes / log.tensor_parallel / GIB
    return _budget_gib(log) - 1.05 * weights - 2.3


def llm_d_planner(model: Model, log: Log) -> float:
    """llm-d-planner e50305af, capacity_planner.py: marketed GB, activations once for all GPUs."""
    activation = 5.5
    if model.architecture.experts:
        activation = 8.0
    elif model.architecture.encoder:
        activation = 2.5
    libraries = 0.15 if log.tensor_parallel == 1 else 0.6
    gpus = log.tensor_parallel
    budget = (log.marketed_gb or 0) * (log.utilization or 0.0) * gpus
    return (budget - model.weights_bytes / GIB - activation - libraries * gpus) / gpus


def recipes(model: Model, log: Log) -> float:
    """Recipes of vLLM, 8959cf64: vram_minimum_gb, parameters x bytes x 1.2 rounded up, in GB."""
    total = ceil(model.parameters * _RECIPES_BYTES[model.quantization] * 1.2 / _GB)
    return _budget_gib(log) - total * _GB / GIB / log.tensor_parallel


FORMULAS: dict[str, Callable[[Model, Log], float]] = {
    "hf-mem": hf_mem,
    "KAITO": kaito,
    "llm-d": llm_d_planner,
    "recipes": recipes,
}


def _budget_gib(log: Log) -> float:
    return (log.utilization or 0.0) * (log.visible_gib or 0.0)
