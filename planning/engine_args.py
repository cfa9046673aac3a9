"""The `vllm serve` command and its environment, for one model on one GPU kind and vLLM version."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from catalog.flags import FlagList, is_option
from catalog.records import DataType, Gpu, Model
from planning.extra_args import is_owned, review_extra_args
from planning.multi_node import leader_flags
from planning.names import PORT
from settings.credentials import is_secret_variable
from settings.mistakes import Mistake

KvCacheDtype = Literal["auto", "fp8", "fp8_e4m3", "fp8_e5m2"]

# A pod's address is not known before it starts, so the server listens on all of them.
LISTEN_HOST: Final = "0.0.0.0"  # noqa: S104

# Attention backends of vLLM 0.19.1: FlashAttention needs compute capability 8.0 and FlashInfer
# 7.5, which leaves Triton to Volta (vllm/platforms/cuda.py).
_FLASHINFER_CAPABILITY: Final = (7, 5)

# vLLM's ROCm image enables AITER kernels by this variable and does not build them for MI200
# (vllm/_aiter_ops.py); safetensors reads straight into GPU memory by the other.
_AMD_ENVIRONMENT: Final = MappingProxyType({"SAFETENSORS_FAST_GPU": "1"})
_AITER_ENVIRONMENT: Final = MappingProxyType({"VLLM_ROCM_USE_AITER": "1"})
_WITHOUT_AITER: Final = frozenset({"gfx90a"})

# The names that vLLM's documentation uses (vllm/config/model.py, ModelDType).
_DTYPE_NAMES: Final[Mapping[DataType, str]] = MappingProxyType(
    {"bfloat16": "bfloat16", "float16": "half"}
)

# Flags that a version may lack without harm; any other planned flag is needed.
_DISPENSABLE: Final = frozenset({"--shutdown-timeout"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRequest:
    """What the plan has decided and what the user adds.

    `tensor_parallel` is inside each of `nodes`; of several, this is the first, which serves HTTP.
    `max_model_len` and `max_num_batched_tokens` are in tokens, `shutdown_timeout` in seconds (None
    leaves vLLM's own, which aborts at once). `dtype` None follows from the model and the GPU;
    `quantization` is vLLM's name of a method, None to read it from the checkpoint. `referenced`
    names the variables whose values Secrets hold.
    """

    model: Model
    gpu: Gpu
    tensor_parallel: int
    nodes: int = 1
    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    gpu_memory_utilization: float
    revision: str | None
    served_model_name: str
    port: int = PORT
    dtype: DataType | None = None
    quantization: str | None = None
    kv_cache_dtype: KvCacheDtype = "auto"
    enforce_eager: bool = False
    shutdown_timeout: int | None = None
    extra_args: tuple[str, ...] = ()
    extra_env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    referenced: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineCommand:
    """Arguments after `vllm serve`, the model first and the user's last, and sorted variables.

    With `refusals` the command must not be run, and what was refused is not in it.
    """

    args: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    refusals: tuple[Mistake, ...] = ()
    warnings: tuple[str, ...] = ()


def engine_command(request: EngineRequest, flags: FlagList) -> EngineCommand:
    """Write the command for the vLLM version whose flags are given."""
    planned = _planned_flags(request, flags)
    reviewed = review_extra_args(
        request.extra_args, {"--model": request.model.id, **planned}, flags
    )
    kept = {flag: value for flag, value in planned.items() if flag not in reviewed.replaced}
    planned_env = _environment(request.gpu)
    own_env = {name: planned_env[name] for name in planned_env.keys() - request.referenced}
    secrets = _secret_variables(request.extra_env)
    extra_env = {} if secrets else dict(request.extra_env)
    return EngineCommand(
        args=(request.model.id, *_written(kept), *reviewed.args),
        env=tuple(sorted((own_env | extra_env).items())),
        refusals=(*_dtype_refusals(request), *reviewed.refusals, *secrets),
        warnings=(
            *_missing_flags(planned, flags),
            *reviewed.warnings,
            *_replaced_variables(planned_env, extra_env.keys() | request.referenced),
        ),
    )


def served_dtype(model: Model, gpu: Gpu, wished: DataType | None = None) -> DataType:
    """Choose the activations' type: the wished one, else the model's, else what the GPU runs.

    vLLM's `auto` makes the same choice below compute capability 8.0, but only says so in its log
    (vllm/config/model.py).
    """
    if wished is not None:
        return wished
    return model.dtype if model.dtype in gpu.dtypes else gpu.dtypes[0]


def _planned_flags(request: EngineRequest, flags: FlagList) -> dict[str, str]:
    """Map each planned flag to its value, empty for a switch, in the order they are written."""
    planned = {
        "--revision": request.revision,
        "--served-model-name": request.served_model_name,
        "--host": LISTEN_HOST,
        "--port": str(request.port),
        "--tensor-parallel-size": str(request.tensor_parallel),
        **leader_flags(request.nodes),
        "--dtype": _DTYPE_NAMES[served_dtype(request.model, request.gpu, request.dtype)],
        "--quantization": request.quantization,
        "--kv-cache-dtype": request.kv_cache_dtype,
        "--max-model-len": str(request.max_model_len),
        "--max-num-seqs": str(request.max_num_seqs),
        "--max-num-batched-tokens": str(request.max_num_batched_tokens),
        "--gpu-memory-utilization": f"{request.gpu_memory_utilization:g}",
        "--enforce-eager": "" if request.enforce_eager else None,
        "--shutdown-timeout": _text(request.shutdown_timeout),
    }
    settled = {flag: value for flag, value in planned.items() if value is not None}
    return {
        flag: value
        for flag, value in (settled | _makers_flags(request.model) | _gpu_flags(request)).items()
        if flag in flags.kinds or flag not in _DISPENSABLE
    }


def _makers_flags(model: Model) -> dict[str, str]:
    """Take the flags of the model's makers, without those that the plan decides itself."""
    consolidated = (
        {"--tokenizer-mode": "mistral", "--config-format": "mistral", "--load-format": "mistral"}
        if model.weight_format == "mistral"
        else {}
    )
    return consolidated | _not_owned(model.vllm_args)


def _gpu_flags(request: EngineRequest) -> dict[str, str]:
    """Take the flags that the device needs whatever the model."""
    flags = _not_owned(request.gpu.vllm_args)
    capability = request.gpu.compute_capability
    # The Triton backend for plain attention cannot run latent attention, which has its own.
    if request.model.architecture.latent is not None:
        flags.pop("--attention-backend", None)
    elif capability is not None and capability < _FLASHINFER_CAPABILITY:
        flags.setdefault("--attention-backend", "TRITON_ATTN")
    return flags


def _not_owned(args: Iterable[str]) -> dict[str, str]:
    return {flag: value for flag, value in _pairs(args) if not is_owned(flag)}


def _pairs(args: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pair each flag of a catalogue record with its value, empty for a switch."""
    flag = ""
    for argument in args:
        if is_option(argument):
            if flag:
                yield flag, ""
            flag = argument
        else:
            yield flag, argument
            flag = ""
    if flag:
        yield flag, ""


def _written(planned: Mapping[str, str]) -> Iterator[str]:
    for flag, value in planned.items():
        yield flag
        if value:
            yield value


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _environment(gpu: Gpu) -> dict[str, str]:
    if gpu.vendor != "amd":
        return {}
    return _AMD_ENVIRONMENT | ({} if gpu.architecture in _WITHOUT_AITER else _AITER_ENVIRONMENT)


def _dtype_refusals(request: EngineRequest) -> Iterator[Mistake]:
    wished, gpu = request.dtype, request.gpu
    if wished is not None and wished not in gpu.dtypes:
        yield Mistake(
            key="dtype",
            wrong=f"`{wished}` does not run on {gpu.name}",
            rule=f"it runs {' or '.join(gpu.dtypes)}",
            remedy="set that, or nothing",
        )


def _missing_flags(planned: Mapping[str, str], flags: FlagList) -> tuple[str, ...]:
    note = f" ({flags.note})" if flags.note else ""
    return tuple(
        f"image: vLLM {flags.version}{note} has no {flag}, which the plan needs; "
        "the server would not start; choose an image with another version"
        for flag in planned
        if flag not in flags.kinds
    )


def _secret_variables(extra: Mapping[str, str]) -> tuple[Mistake, ...]:
    return tuple(
        Mistake(
            key="extraEnv",
            wrong=f"{name} holds a secret in clear",
            rule="anyone who sees the pod can read it",
            remedy="give it by reference to a Secret",
        )
        for name, value in sorted(extra.items())
        if is_secret_variable(name, value)
    )


def _replaced_variables(planned: Mapping[str, str], extra: Set[str]) -> tuple[str, ...]:
    return tuple(
        f"extraEnv: {name} replaces the planned `{planned[name]}`; remove it unless you mean to"
        for name in sorted(planned.keys() & extra)
    )
