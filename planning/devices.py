"""Which device of the catalogue a preset stands for: a whole GPU, or an instance that MIG cuts."""

from __future__ import annotations

from collections.abc import Mapping

from catalog.records import Gpu
from settings.mistakes import Mistake, did_you_mean
from settings.models import Preset


def device_of(preset: Preset, gpus: Mapping[str, Gpu]) -> Gpu | None:
    """Find the device of a preset; None where it has no GPU or names none of the catalogue.

    Args:
        preset: the preset.
        gpus: whole GPUs by their key.
    """
    gpu = gpus.get(preset.product or "")
    if gpu is None or preset.mig is None:
        return gpu
    profile = next((one for one in gpu.mig if one.name == preset.mig), None)
    return gpu.instance(profile) if profile else None


def device_mistakes(preset: Preset, gpus: Mapping[str, Gpu]) -> list[Mistake]:
    """Refuse a product or MIG profile that does not exist, and a vendor that is not its own."""
    if not preset.gpus:
        return []
    gpu = gpus.get(preset.product or "")
    if gpu is None:
        return [_unknown_product(preset, gpus)]
    if preset.vendor and preset.vendor != gpu.vendor:
        return [
            Mistake(
                key="presets",
                wrong=f"'{preset.name}' names the vendor '{preset.vendor}' for '{gpu.key}'",
                rule=f"{gpu.name} is a device of {gpu.vendor}",
                remedy=f"set vendor to {gpu.vendor}, or name another product",
            )
        ]
    if preset.mig and device_of(preset, gpus) is None:
        return [_unknown_profile(preset, gpu)]
    return []


def _unknown_product(preset: Preset, gpus: Mapping[str, Gpu]) -> Mistake:
    near = did_you_mean(preset.product or "", gpus)
    return Mistake(
        key="presets",
        wrong=f"'{preset.name}' names the product '{preset.product}'",
        rule=f"the products are {', '.join(sorted(gpus))}",
        remedy=f"did you mean '{near}'?" if near else "name one of them",
    )


def _unknown_profile(preset: Preset, gpu: Gpu) -> Mistake:
    names = [profile.name for profile in gpu.mig]
    near = did_you_mean(preset.mig or "", names)
    return Mistake(
        key="presets",
        wrong=f"'{preset.name}' names the MIG profile '{preset.mig}'",
        rule=f"the profiles of {gpu.key} are {', '.join(names)}"
        if names
        else f"no MIG profile of {gpu.key} is known",
        remedy=f"did you mean '{near}'?" if near else "name one of them, or remove mig",
    )
