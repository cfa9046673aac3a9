"""The server of the chosen preset: command line, environment, image and replicas."""

from __future__ import annotations

from dataclasses import dataclass, replace

from catalog.flags import FlagList, load_flags
from catalog.records import Model
from planning.api_keys import (
    api_key_args,
    api_key_mistakes,
    api_key_warnings,
    middleware_mistakes,
)
from planning.cache import CACHE_PATH
from planning.download import ENCODINGS, ENCODINGS_VARIABLE, OFFLINE, has_download
from planning.engine_args import EngineCommand, EngineRequest, engine_command
from planning.errors import PlanError
from planning.fit import Candidate
from planning.multi_node import multi_node_mistakes, worker_args
from planning.names import HOME, PORT
from planning.overrides import overrides_of, served_release
from planning.plan import Drain, SecretVariable, Server
from planning.rollout import plan_drain
from settings.mistakes import Mistake
from settings.models import StackSettings
from settings.variables import plain, referenced

_USER = "vllm"
"""torch asks for the user's name as it is imported, and not every image has one for the uid of the
pods: those of ROCm have none (vllm, docker/Dockerfile.rocm). Python's getpass asks this first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The server, how it stops, and what the preview warns of."""

    server: Server
    drain: Drain
    warnings: tuple[str, ...]


def serve(model: Model, revision: str, chosen: Candidate, settings: StackSettings) -> Served:
    """Write the server that runs the model on the chosen ranks.

    Raises:
        PlanError: an argument or variable of the user's cannot be taken, or several nodes are
            needed and something else rules them out.
    """
    gpu, sized = chosen.settled()
    release = served_release(gpu, overrides_of(settings))
    flags = load_flags(release)
    drain = plan_drain(flags.kinds, override=settings.rollout.drain_seconds)
    request = replace(
        _request(model, revision, chosen, settings), shutdown_timeout=drain.shutdown_timeout
    )
    command = engine_command(request, flags)
    mistakes = [
        *multi_node_mistakes(sized.nodes, settings),
        *_key_mistakes(release, flags, settings),
        *command.refusals,
    ]
    if mistakes:
        raise PlanError(*mistakes)
    paths = _paths(model, settings)
    return Served(
        server=Server(
            image=settings.image or request.gpu.image.reference,
            pull_secrets=settings.image_pull_secrets,
            args=(*command.args, *api_key_args(settings.ingress.auth.kind)),
            worker_args=worker_args(command.args) if sized.nodes > 1 else (),
            env=tuple(sorted((dict(command.env) | paths).items())),
            secret_env=_secret_variables(settings, paths),
            replicas=_first_replicas(settings),
            max_replicas=settings.most_replicas,
            holds_replicas=settings.replicas is not None and not settings.autoscaling.enabled,
            asks_hub=not has_download(settings.cache.kind),
        ),
        drain=drain,
        warnings=_warnings(command, settings, paths),
    )


def _first_replicas(settings: StackSettings) -> int:
    """Count what a new Deployment starts with; what an autoscaler may end at zero starts once."""
    scaling = settings.autoscaling
    return max(1, scaling.min_replicas) if scaling.enabled else settings.most_replicas


def _offline(model: Model, settings: StackSettings) -> dict[str, str]:
    """Variables of a server whose files a Job has put into the cache."""
    if not has_download(settings.cache.kind):
        return {}
    if not model.harmony or ENCODINGS_VARIABLE in settings.extra_env:
        return OFFLINE
    return {**OFFLINE, ENCODINGS_VARIABLE: f"{CACHE_PATH}/{ENCODINGS}"}


def _request(
    model: Model, revision: str, chosen: Candidate, settings: StackSettings
) -> EngineRequest:
    gpu, sized = chosen.settled()
    overrides = overrides_of(settings)
    engine = sized.engine
    utilization = sized.memory.gpu_memory_utilization
    return EngineRequest(
        model=model,
        gpu=gpu,
        tensor_parallel=sized.tensor_parallel,
        nodes=sized.nodes,
        max_model_len=engine.max_model_len,
        max_num_seqs=engine.max_num_seqs,
        max_num_batched_tokens=engine.max_num_batched_tokens,
        # The user's own value differs from what memory allows only when it is forced.
        gpu_memory_utilization=overrides.gpu_memory_utilization or utilization,
        revision=revision,
        served_model_name=settings.served_model_name or model.id,
        port=PORT,
        dtype=overrides.dtype,
        quantization=overrides.quantization,
        kv_cache_dtype=overrides.kv_cache_dtype,
        extra_args=settings.server_extra_args,
        extra_env=plain(settings.extra_env),
        referenced=frozenset(referenced(settings.extra_env)),
    )


def _paths(model: Model, settings: StackSettings) -> dict[str, str]:
    return {"HF_HOME": CACHE_PATH, "HOME": HOME, "USER": _USER, **_offline(model, settings)}


def _secret_variables(settings: StackSettings, paths: dict[str, str]) -> tuple[SecretVariable, ...]:
    return tuple(
        SecretVariable(variable=name, secret_name=source.name, entry=source.key)
        for name, source in sorted(referenced(settings.extra_env).items())
        if name not in paths
    )


def _key_mistakes(release: str, flags: FlagList, settings: StackSettings) -> tuple[Mistake, ...]:
    kind = settings.ingress.auth.kind
    return (
        *api_key_mistakes(kind, release),
        *middleware_mistakes(kind, settings.server_extra_args, flags),
    )


def _warnings(
    command: EngineCommand, settings: StackSettings, paths: dict[str, str]
) -> tuple[str, ...]:
    kept = tuple(
        f"extraEnv: {name} is ignored, since the plan sets it to {value}; remove it"
        for name, value in sorted(paths.items())
        if name in settings.extra_env
    )
    keys = api_key_warnings(settings.ingress.auth.kind, settings.image)
    return (*command.warnings, *kept, *keys)
