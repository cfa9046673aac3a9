"""The smallest change with which a model would fit after all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from catalog.loader import load_models
from catalog.records import Gpu, Model
from planning.fit import Candidate, candidates, over_nodes
from planning.overrides import Overrides

_MOST_GPUS = 16
_MOST_NODES = 8
# Below, a larger preset is the better remedy: links between nodes are slower than inside one.
_LEAST_GPUS_OF_A_NODE = 8
_FORMATS = frozenset({"awq", "bf16", "fp8", "gptq", "mxfp4", "nvfp4"})
_LEAST_CONTEXT = 1024


def remedies(model: Model, refused: Sequence[Candidate], overrides: Overrides) -> list[str]:
    """List changes that would make the model fit, each alone, the smallest first.

    Args:
        model: the model.
        refused: presets on which it does not fit.
        overrides: what the user asks of the engine.
    """
    found = (
        _shorter_context(refused),
        _with_overrides(model, refused, replace(overrides, kv_cache_dtype="fp8"), overrides),
        _quantised_sibling(model, refused, overrides),
        _more_gpus(model, refused, overrides),
        _more_nodes(model, refused, overrides),
    )
    return [change for changes in found for change in changes]


def quantised_siblings(model: Model) -> list[Model]:
    """Find the same model with smaller weights in the catalogue, the largest first."""
    smaller = [
        other
        for other in load_models()
        if _stem(other) == _stem(model) and other.weights_bytes < model.weights_bytes
    ]
    return sorted(smaller, key=lambda other: (-other.weights_bytes, other.id))


def _stem(model: Model) -> tuple[str, ...]:
    words = re.split(r"[-_.]", model.id.rpartition("/")[2].lower())
    return tuple(sorted(word for word in words if word not in _FORMATS))


def _shorter_context(refused: Sequence[Candidate]) -> Iterator[str]:
    lengths = [
        (candidate.sized.memory.max_model_len_that_fits, candidate.preset.name)
        for candidate in refused
        if candidate.sized and not candidate.sized.memory.fits
    ]
    length, name = max(lengths, default=(0, ""), key=lambda found: (found[0], found[1]))
    if length >= _LEAST_CONTEXT:
        yield f"set maxModelLen to {length // 1024 * 1024} (fits '{name}')"


def _with_overrides(
    model: Model, refused: Sequence[Candidate], changed: Overrides, before: Overrides
) -> Iterator[str]:
    if changed == before or before.kv_cache_dtype != "auto":
        return
    if name := _cheapest(model, refused, changed):
        yield f"set kvCacheDtype to fp8 (fits '{name}')"


def _quantised_sibling(
    model: Model, refused: Sequence[Candidate], overrides: Overrides
) -> Iterator[str]:
    for sibling in quantised_siblings(model):
        if name := _cheapest(sibling, refused, replace(overrides, quantization=None)):
            yield f"set model to {sibling.name} ({sibling.quantization} weights, fits '{name}')"
            return


def _more_gpus(model: Model, refused: Sequence[Candidate], overrides: Overrides) -> Iterator[str]:
    """Name the GPU kind of the presets that would need the fewest more."""
    most: dict[str, tuple[int, Candidate, Gpu]] = {}
    for one in sorted(
        refused, key=lambda candidate: (candidate.preset.gpus, candidate.preset.name)
    ):
        if one.gpu and one.sized and not one.preset.mig:
            most[one.gpu.key] = (one.preset.gpus, one, one.gpu)
    options: list[tuple[int, int, str]] = []
    for key, (gpus, one, gpu) in sorted(most.items()):
        count = gpus * 2
        while count <= _MOST_GPUS:
            larger = one.preset.model_copy(update={"gpus": count})
            if candidates(model, [(larger, gpu)], overrides)[0].fits:
                options.append((count - gpus, count, key))
                break
            count *= 2
    if options:
        _, count, key = min(options)
        yield f"add a preset with {count} x {key}"


def _more_nodes(model: Model, refused: Sequence[Candidate], overrides: Overrides) -> Iterator[str]:
    """Name the fewest nodes of one preset that hold the model, where the stack allows fewer."""
    tried = replace(overrides, max_nodes=_MOST_NODES)
    found = (
        over_nodes(model, one, tried)
        for one in refused
        if one.preset.gpus >= _LEAST_GPUS_OF_A_NODE and one.nodes == 1
    )
    fitting = [one for one in found if one.fits and one.nodes > overrides.max_nodes]
    if fitting:
        best = min(fitting, key=lambda one: (one.nodes, one.price_per_hour, one.preset.name))
        yield f"set multiNode.maxNodes to {best.nodes} ({best.nodes} nodes of '{best.preset.name}')"


def _cheapest(model: Model, refused: Sequence[Candidate], overrides: Overrides) -> str | None:
    presets = [(candidate.preset, candidate.gpu) for candidate in refused]
    fitting = [found.preset for found in candidates(model, presets, overrides) if found.fits]
    if not fitting:
        return None
    return min(fitting, key=lambda preset: (preset.price_per_hour, preset.gpus, preset.name)).name
