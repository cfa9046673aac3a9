"""Presets and settings for tests of the choice, as a stack config would give them."""

from collections.abc import Iterable

from catalog.loader import find_gpu, find_model, load_gpus
from planning.overrides import Overrides
from planning.plan import Plan
from planning.presets import Choice, choose
from planning.stack import make_plan
from settings.mistakes import Mistake
from settings.models import Preset, StackSettings

GPUS = {gpu.key: gpu for gpu in load_gpus()}
COUNTS = (1, 2, 4, 8)


def preset(
    product: str | None, gpus: int = 1, price: float | None = None, **more: object
) -> Preset:
    raw: dict[str, object] = {
        "name": f"{product}-{gpus}",
        "vendor": find_gpu(product).vendor if product else None,
        "product": product,
        "gpus": gpus,
        "cpu": "8",
        "memory": "64Gi",
        "pricePerHour": gpus * 1.0 if price is None else price,
    }
    return Preset.model_validate(raw | more)


def of_vendor(vendor: str) -> list[Preset]:
    """Every GPU kind of a vendor in every count, dearer with more memory."""
    return [
        preset(gpu.key, gpus, price=round(gpu.visible_gib * gpus, 2))
        for gpu in load_gpus()
        for gpus in COUNTS
        if gpu.vendor == vendor
    ]


def chosen(model: str, presets: Iterable[Preset], **asked: object) -> Choice:
    wanted = str(asked.pop("wanted", "auto"))
    overrides = Overrides(**asked)  # type: ignore[arg-type]
    return choose(find_model(model), presets, wanted=wanted, gpus=GPUS, overrides=overrides)


def stack_settings(presets: Iterable[Preset], **keys: object) -> StackSettings:
    raw: dict[str, object] = {
        "model": "mistral-7b-instruct",
        "presets": tuple(presets),
        "kubernetes": {"context": "test"},
        "ingress": {"enabled": False},
    }
    return StackSettings.model_validate(raw | keys)


def planned(presets: Iterable[Preset], *, stack: str = "dev", **keys: object) -> Plan:
    return make_plan(stack_settings(presets, **keys), stack=stack)


def only(mistakes: tuple[Mistake, ...]) -> Mistake:
    (mistake,) = mistakes
    return mistake
