"""How a model would run on a preset: nodes, ranks, context, sequences and memory, or why not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from catalog.records import Gpu, Model
from planning.errors import PlanError
from planning.gpu_compatibility import refusal
from planning.memory import EngineSettings, MemoryPlan, memory
from planning.overrides import Overrides, engine_settings
from planning.stages import largest_stage, stage_refusal
from settings.models import Preset

LEAST_CONTEXT = 8192
"""Tokens below which a context is not chosen unasked, unless the model's own is shorter."""

_CONTEXT_STEP = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """A model on a number of ranks of one GPU kind, on each of `nodes`.

    `refusal` says what is missing, with the numbers; None where it fits.
    """

    tensor_parallel: int
    engine: EngineSettings
    memory: MemoryPlan
    refusal: str | None
    nodes: int = 1

    @property
    def lacking_gib(self) -> float:
        """GiB missing on each GPU, rounded up to a tenth; 0 where nothing is missing."""
        return _lacking_gib(self.memory)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A preset with its GPU's facts, and how the model would run there, or the reason why not.

    `sized` is None where the preset is refused for something else than its memory.
    """

    preset: Preset
    gpu: Gpu | None
    sized: Sized | None
    refusal: str | None

    @property
    def fits(self) -> bool:
        """Whether the preset can serve the model."""
        return self.refusal is None

    @property
    def nodes(self) -> int:
        """Nodes of one replica."""
        return self.sized.nodes if self.sized else 1

    @property
    def price_per_hour(self) -> float:
        """Price of one replica, on all its nodes."""
        return self.preset.price_per_hour * self.nodes

    @property
    def lacks_room(self) -> bool:
        """Whether the pool is declared to hold fewer nodes than one replica takes."""
        return self.preset.capacity is not None and self.preset.capacity < self.nodes

    def settled(self) -> tuple[Gpu, Sized]:
        """Give the GPU and the sizes of a preset that was chosen.

        Raises:
            ValueError: something else than memory refuses it, so nothing was sized.
        """
        if self.gpu is None or self.sized is None:
            raise ValueError(f"'{self.preset.name}' cannot be chosen: {self.refusal}")
        return self.gpu, self.sized


def over_nodes(model: Model, refused: Candidate, overrides: Overrides) -> Candidate:
    """Evaluate a preset that lacks memory over the fewest nodes that fit, else over the most."""
    tried = refused
    if refused.gpu is None or refused.sized is None or refused.sized.memory.fits:
        return refused
    for nodes in range(2, overrides.max_nodes + 1):
        pair = (refused.preset, refused.gpu)
        found = candidates(model, [pair], overrides, nodes=nodes)[0]
        if found.fits or found.sized is None or found.lacks_room:
            return found
        tried = found
    return tried


def candidates(
    model: Model,
    presets: Sequence[tuple[Preset, Gpu | None]],
    overrides: Overrides,
    *,
    nodes: int = 1,
) -> list[Candidate]:
    """Evaluate presets in their order, the same number of the same GPU only once.

    The GPU is None for a preset that has none; `nodes` are those of one replica.
    """
    known: dict[tuple[str, int], Sized | str] = {}

    def evaluated(preset: Preset, gpu: Gpu | None) -> Candidate:
        if gpu is None or not preset.gpus:
            return Candidate(preset=preset, gpu=None, sized=None, refusal="has no GPU")
        reason = refusal(model, gpu, preset, overrides)
        if nodes > 1 and reason is None:
            reason = stage_refusal(model, gpu, overrides, nodes)
        if reason:
            return Candidate(preset=preset, gpu=gpu, sized=None, refusal=reason)
        key = (gpu.key, preset.gpus)
        if key not in known:
            known[key] = (
                _over_stages(model, gpu, preset.gpus, overrides, nodes)
                if nodes > 1
                else _sized(model, gpu, preset.gpus, overrides)
            )
        found = known[key]
        if isinstance(found, str):
            return Candidate(preset=preset, gpu=gpu, sized=None, refusal=found)
        sized = Candidate(preset=preset, gpu=gpu, sized=found, refusal=found.refusal)
        if sized.fits and sized.lacks_room and not overrides.force:
            return replace(sized, refusal=_without_room(preset, nodes))
        return sized

    return [evaluated(preset, gpu) for preset, gpu in presets]


def _without_room(preset: Preset, nodes: int) -> str:
    needed = f"; a replica takes {nodes} nodes" if nodes > 1 else ""
    return f"holds no replica, by its capacity of {preset.capacity}{needed}"


def _over_stages(
    model: Model, gpu: Gpu, gpus: int, overrides: Overrides, nodes: int
) -> Sized | str:
    """How the fullest of the stages runs on its node, or a reason why it does not."""
    stage = _sized(largest_stage(model, nodes), gpu, gpus, overrides)
    if isinstance(stage, str):
        return stage
    if stage.tensor_parallel == 1:  # what one rank takes leaves out the links between ranks
        return "is planned over several nodes only with several ranks on each"
    return replace(stage, nodes=nodes)


def _sized(model: Model, gpu: Gpu, gpus: int, overrides: Overrides) -> Sized | str:
    """The largest number of ranks that fits, else the largest that vLLM takes, else a reason."""
    valid = [size for size in range(gpus, 0, -1) if model.allows_tensor_parallel(size)]
    if not valid:
        return f"no number of ranks up to {gpus} divides the model's heads and widths"
    try:
        first = _on(model, gpu, valid[0], overrides)
        for size in valid[1:]:
            # With fewer ranks each holds more weights, so nothing fits once they alone do not.
            if first.refusal is None or first.memory.weights_gib > first.memory.usable_gib:
                break
            if (fewer := _on(model, gpu, size, overrides)).refusal is None:
                return fewer
    except PlanError as error:
        return str(error)
    return first


def _on(model: Model, gpu: Gpu, size: int, overrides: Overrides) -> Sized:
    advised = model.recommended.context
    engine = engine_settings(model, gpu, overrides, overrides.max_model_len or advised)
    plan = memory(model, gpu, size, engine)
    if not plan.fits and overrides.max_model_len is None:
        least = min(LEAST_CONTEXT, advised)
        longest = min(plan.max_model_len_that_fits, advised) // _CONTEXT_STEP * _CONTEXT_STEP
        engine = replace(engine, max_model_len=max(least, longest))
        plan = memory(model, gpu, size, engine)
    if model.architecture.state_space and overrides.max_num_seqs is None and plan.fits:
        # Each sequence holds its state from the start, and vLLM refuses more than fit.
        engine = replace(engine, max_num_seqs=min(engine.max_num_seqs, int(plan.max_concurrency)))
        plan = memory(model, gpu, size, engine)
    return Sized(
        tensor_parallel=size,
        engine=engine,
        memory=plan,
        refusal=_lack(model, engine, plan, overrides),
    )


def _lack(
    model: Model, engine: EngineSettings, plan: MemoryPlan, overrides: Overrides
) -> str | None:
    if not plan.fits:
        return (
            f"lacks {_lacking_gib(plan):.1f} GiB per GPU: {plan.required_gib:.1f} needed of "
            f"{plan.usable_gib:.1f} usable at a context of {engine.max_model_len}"
        )
    asked = overrides.gpu_memory_utilization
    if asked is not None and plan.gpu_memory_utilization < asked:
        return (
            f"gpuMemoryUtilization {asked:g} leaves too little beside vLLM's budget; at most "
            f"{plan.gpu_memory_utilization:g}"
        )
    if model.architecture.state_space and engine.max_num_seqs > plan.max_concurrency:
        return (
            f"maxNumSeqs {engine.max_num_seqs} is more than the {int(plan.max_concurrency)} "
            "states that fit"
        )
    return None


def _lacking_gib(plan: MemoryPlan) -> float:
    missing = plan.required_gib - plan.usable_gib
    return 0.0 if plan.fits else max(0.1, math.ceil(missing * 10) / 10)
