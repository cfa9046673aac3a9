"""The command line of `vllm serve` and its environment."""

from __future__ import annotations

from catalog.records import Model
from planning.names import PORT
from planning.plan import Pairs
from planning.presets import UTILIZATION, Fit
from settings.models import StackSettings

DEFAULT_CONTEXT = 8192
"""Tokens per request without `maxModelLen`; vLLM's own default is the model's maximum, which for
some models needs more KV cache than weights."""

MAX_NUM_SEQS = 256
"""vLLM's default on every GPU below 70 GiB (engine/arg_utils.py), made explicit for all."""


def context_length(model: Model, settings: StackSettings) -> int:
    """Give the tokens that one request may hold."""
    if settings.max_model_len is not None:
        return settings.max_model_len
    return min(DEFAULT_CONTEXT, model.architecture.max_position_embeddings)


def serve_args(model: Model, revision: str, fit: Fit, settings: StackSettings) -> tuple[str, ...]:
    """Build the arguments that follow `vllm serve` in the image's entrypoint."""
    mistral = model.weight_format == "mistral"
    formats = ("--tokenizer-mode", "--config-format", "--load-format") if mistral else ()
    utilization = settings.gpu_memory_utilization or UTILIZATION
    planned = {
        "--revision": revision,
        "--served-model-name": settings.served_model_name or model.id,
        "--host": "0.0.0.0",  # noqa: S104 - the pod's own network
        "--port": str(PORT),
        "--tensor-parallel-size": str(fit.tensor_parallel),
        "--max-model-len": str(context_length(model, settings)),
        "--max-num-seqs": str(MAX_NUM_SEQS),
        "--gpu-memory-utilization": f"{utilization:g}",
        **({"--dtype": settings.dtype} if settings.dtype else {}),
        **dict.fromkeys(formats, "mistral"),
    }
    flags = [part for flag, value in planned.items() for part in (flag, value)]
    return (model.id, *flags, *fit.gpu.vllm_args, *model.vllm_args, *settings.server_extra_args)


def environment(cache_path: str, settings: StackSettings) -> Pairs:
    """Build the plain environment; the token comes from a Secret, in the component."""
    planned = {"HF_HOME": cache_path, "HOME": "/home/vllm"}
    return tuple(sorted((settings.extra_env | planned).items()))
