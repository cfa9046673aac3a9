"""Which preset serves the model: the one that is named, or the cheapest that fits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from catalog.records import Gpu, Model
from planning.devices import device_mistakes, device_of
from planning.errors import PlanError
from planning.fit import Candidate, Sized, candidates, over_nodes
from planning.overrides import Overrides
from planning.remedies import remedies
from settings.mistakes import Mistake
from settings.models import Preset

NOTHING_ASKED = Overrides()

_RULE = "weights, activations and the KV cache of one whole request fit on every GPU"

_LOWER, _CHANGE = "lower", "change"
# What may be to blame, with its key and what else than removing it helps.
_KEYS = {
    "max_model_len": ("maxModelLen", _LOWER),
    "max_num_seqs": ("maxNumSeqs", _LOWER),
    "max_num_batched_tokens": ("maxNumBatchedTokens", _LOWER),
    "gpu_memory_utilization": ("gpuMemoryUtilization", _LOWER),
    "dtype": ("dtype", _CHANGE),
    "quantization": ("quantization", _CHANGE),
    "kv_cache_dtype": ("kvCacheDtype", _CHANGE),
    "image": ("image", _CHANGE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The chosen preset among all of them, which are in the order of the choice.

    `forced` holds the reason that `force` has overruled, None where the choice fits.
    """

    chosen: Candidate
    candidates: tuple[Candidate, ...]
    forced: str | None


def choose(
    model: Model,
    presets: Iterable[Preset],
    *,
    wanted: str = "auto",
    gpus: Mapping[str, Gpu],
    overrides: Overrides = NOTHING_ASKED,
) -> Choice:
    """Choose by price, then fewest GPUs, then least spare memory, then name, in any order given.

    Several nodes are tried where no single one fits and the stack allows them.

    Args:
        model: the model.
        presets: the cluster's presets.
        wanted: a preset's name, or `auto`.
        gpus: GPU facts by their key.
        overrides: what the user asks of the engine.

    Raises:
        PlanError: a product is unknown, the context is longer than the model's positions, the
            named preset does not fit, or none does.
    """
    evaluated = evaluate(model, presets, gpus=gpus, overrides=overrides)
    if mistakes := [*_too_long(model, overrides), *_converted_twice(model, overrides)]:
        raise PlanError(*mistakes)
    named = [found for found in evaluated if wanted in ("auto", found.preset.name)]
    if overrides.max_nodes > 1 and not any(found.fits for found in named):
        several = (over_nodes(model, found, overrides) for found in evaluated)
        evaluated = tuple(sorted(several, key=_order))
        named = [found for found in evaluated if wanted in ("auto", found.preset.name)]
    chosen = next((found for found in named if found.fits), None)
    forced = None
    if chosen is None and overrides.force:
        chosen = min((found for found in named if found.sized), key=_shortfall, default=None)
        forced = chosen.refusal if chosen else None
    if chosen is None:
        raise PlanError(_refused(model, wanted, named, evaluated, overrides))
    return Choice(chosen=chosen, candidates=evaluated, forced=forced)


def evaluate(
    model: Model,
    presets: Iterable[Preset],
    *,
    gpus: Mapping[str, Gpu],
    overrides: Overrides = NOTHING_ASKED,
) -> tuple[Candidate, ...]:
    """Evaluate every preset, in the order of the choice.

    Raises:
        PlanError: a product is unknown, or is not of the vendor that its preset names.
    """
    listed = list(presets)
    mistakes = [mistake for preset in listed for mistake in device_mistakes(preset, gpus)]
    if mistakes:
        raise PlanError(*sorted(mistakes))
    pairs = [(preset, device_of(preset, gpus)) for preset in listed]
    return tuple(sorted(candidates(model, pairs, overrides), key=_order))


def _order(candidate: Candidate) -> tuple[float, int, float, str]:
    preset, sized = candidate.preset, candidate.sized
    spare = sized.memory.usable_gib - sized.memory.required_gib if sized else math.inf
    return candidate.price_per_hour, preset.gpus * candidate.nodes, spare, preset.name


def _shortfall(candidate: Candidate) -> tuple[float, tuple[float, int, float, str]]:
    return candidate.sized.lacking_gib if candidate.sized else math.inf, _order(candidate)


def _too_long(model: Model, overrides: Overrides) -> Iterator[Mistake]:
    longest = model.architecture.max_position_embeddings
    asked = overrides.max_model_len
    if asked and asked > longest and not overrides.force:
        yield Mistake(
            key="maxModelLen",
            wrong=f"{asked} is more than the {longest} positions of {model.id}",
            rule="vLLM does not start with a context that the model was not built for",
            remedy=f"set at most {longest}, or force to true if other arguments extend it",
        )


def _converted_twice(model: Model, overrides: Overrides) -> Iterator[Mistake]:
    if overrides.quantization and model.quantization != "none":
        yield Mistake(
            key="quantization",
            wrong=f"{overrides.quantization} is asked of {model.id}, whose weights are "
            f"{model.quantization} already",
            rule="only 16-bit weights can be converted as they load",
            remedy="remove it: vLLM reads the method from the model's own files",
        )


def _refused(
    model: Model,
    wanted: str,
    named: Sequence[Candidate],
    evaluated: Sequence[Candidate],
    overrides: Overrides,
) -> Mistake:
    """One mistake that lists what each preset lacks, the cheapest first, and what would help."""
    alone = wanted != "auto"
    with_gpu = [found for found in named if found.gpu]
    listed = ", ".join(_reason(found, named=not alone) for found in with_gpu)
    where = f"on '{wanted}'" if alone else f"on any preset of {len(named)}"
    changes = remedies(model, named, overrides)
    blamed, how = _blamed(model, named, overrides) or ("preset" if alone else "presets", None)
    if how:
        changes.append(f"{how} or remove {blamed}")
    other = next((found.preset.name for found in evaluated if found.fits), None)
    if alone:
        changes.append(
            f"set preset to auto (the cheapest that fits is '{other}')"
            if other
            else "choose another preset"
        )
    if any(found.lacks_room and found.sized and not found.sized.refusal for found in named):
        changes.append("raise the preset's capacity")
    if any(found.sized and _may_start(found.sized) for found in named):
        changes.append("set force to true to try it all the same")
    return Mistake(
        key=blamed,
        wrong=f"{model.id} does not fit {where} ({listed or 'no GPU there'})",
        rule=_RULE,
        remedy=", or ".join(changes) or "add a preset with other GPUs, or choose another model",
    )


def _reason(candidate: Candidate, *, named: bool) -> str:
    name = f"{candidate.preset.name} " if named else ""
    sized = candidate.sized
    if sized and not sized.memory.fits:
        memory = sized.memory
        where = f" on {sized.nodes} nodes" if sized.nodes > 1 else ""
        return (
            f"{name}lacks {sized.lacking_gib:.1f} GiB per GPU{where}, {memory.required_gib:.1f} of "
            f"{memory.usable_gib:.1f} at context {sized.engine.max_model_len}"
        )
    return f"{name.strip()}: {candidate.refusal}" if named else f"{candidate.refusal}"


def _may_start(sized: Sized) -> bool:
    """Whether forcing is worth a try: weights are certain, the rest is an upper bound."""
    return sized.memory.weights_gib < sized.memory.usable_gib


def _blamed(
    model: Model, named: Sequence[Candidate], overrides: Overrides
) -> tuple[str, str] | None:
    """The key of the one override without which a preset would fit, and what to do with it."""
    presets = [(found.preset, found.gpu) for found in named]
    for attribute, found in _KEYS.items():
        plain = getattr(NOTHING_ASKED, attribute)
        if getattr(overrides, attribute) == plain:
            continue
        without = replace(overrides, **{attribute: plain})
        if any(candidate.fits for candidate in candidates(model, presets, without)):
            return found
    return None
