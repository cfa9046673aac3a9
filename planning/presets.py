"""Which preset serves the model: the one that is named, or the cheapest that holds its weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from catalog.records import Gpu, Model
from planning.errors import PlanError
from settings.mistakes import Mistake, did_you_mean
from settings.models import Preset

GIB = 2**30

UTILIZATION = 0.92
"""Share of a GPU's visible memory that vLLM takes: its default since 0.20 (config/cache.py)."""

WEIGHTS_OVERHEAD = 1.03
"""Loaded size over the files' bytes: 17 published "Model loading took" lines give 1.000 to 1.013,
tensor parallel up to 1.03."""

SMALLEST_CACHE_GIB = 1.0
"""What must remain for the KV cache and activations; below it no model of the catalogue starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A preset with the GiB per GPU that the model needs there, and that vLLM may use."""

    preset: Preset
    gpu: Gpu
    tensor_parallel: int
    needed_gib: float
    usable_gib: float

    @property
    def fits(self) -> bool:
        """Whether the need is within what vLLM may use."""
        return self.needed_gib <= self.usable_gib


def choose(model: Model, presets: Iterable[Preset], *, wanted: str, gpus: Mapping[str, Gpu]) -> Fit:
    """Choose a preset.

    Args:
        model: the model.
        presets: the cluster's presets.
        wanted: a preset's name, or `auto`.
        gpus: GPU facts by their key.

    Raises:
        PlanError: a product is unknown, the named preset does not fit, or none does.
    """
    with_gpus = [preset for preset in presets if preset.gpus]
    unknown = [_unknown_product(p, gpus) for p in with_gpus if p.product not in gpus]
    if unknown:
        raise PlanError(*unknown)
    fits = [_fit(model, preset, gpus[preset.product or ""]) for preset in with_gpus]
    if wanted != "auto":
        named = next((fit for fit in fits if fit.preset.name == wanted), None)
        if named is None or not named.fits:
            raise PlanError(_refused(model, wanted, named))
        return named
    fitting = [fit for fit in fits if fit.fits]
    if not fitting:
        raise PlanError(_none_fits(model, fits))
    return min(fitting, key=_order)


def _order(fit: Fit) -> tuple[float, int, float, str]:
    preset = fit.preset
    return preset.price_per_hour, preset.gpus, fit.usable_gib - fit.needed_gib, preset.name


def _fit(model: Model, preset: Preset, gpu: Gpu) -> Fit:
    heads = model.architecture.heads
    # vLLM refuses a tensor-parallel size that does not divide the attention heads.
    parallel = max(n for n in range(1, preset.gpus + 1) if heads % n == 0)
    needed = model.weights_bytes / GIB * WEIGHTS_OVERHEAD / parallel + SMALLEST_CACHE_GIB
    return Fit(
        preset=preset,
        gpu=gpu,
        tensor_parallel=parallel,
        needed_gib=needed,
        usable_gib=gpu.visible_gib * UTILIZATION,
    )


def _unknown_product(preset: Preset, gpus: Mapping[str, Gpu]) -> Mistake:
    near = did_you_mean(preset.product or "", gpus)
    return Mistake(
        key="presets",
        wrong=f"'{preset.name}' names the product '{preset.product}'",
        rule=f"the products are {', '.join(sorted(gpus))}",
        remedy=f"did you mean '{near}'?" if near else "name one of them",
    )


def _lacks(fit: Fit) -> str:
    return (
        f"{fit.preset.name} needs {fit.needed_gib:.1f} GiB per GPU and vLLM may use "
        f"{fit.usable_gib:.1f} GiB"
    )


def _refused(model: Model, wanted: str, fit: Fit | None) -> Mistake:
    wrong = f"{model.id} on {_lacks(fit)}" if fit else f"'{wanted}' has no GPU"
    return Mistake(
        key="preset",
        wrong=wrong,
        rule="the weights and a KV cache fit on every GPU",
        remedy="choose a larger preset, or auto for the cheapest that fits",
    )


def _none_fits(model: Model, fits: list[Fit]) -> Mistake:
    listed = ", ".join(_lacks(fit) for fit in fits) or "no preset has a GPU"
    return Mistake(
        key="presets",
        wrong=f"{model.id} fits on none ({listed})",
        rule="the weights and a KV cache fit on every GPU",
        remedy="add a preset with larger or more GPUs, or choose a smaller or quantised model",
    )
