"""Time of planning: `python -m benchmarks.planning` prints both bounds and fails on a broken one.

One model against 200 presets, and every model of the catalogue against 1,000; best of five, with
everything imported and the catalogue read.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Sequence

from catalog.loader import load_gpus, load_models
from catalog.records import Gpu, Model
from planning.errors import PlanError
from planning.presets import choose
from planning.stack import make_plan
from settings.models import Preset, StackSettings

RUNS = 5
ONE_MODEL_SECONDS = 0.050
CATALOGUE_SECONDS = 5.0
_GPUS = {gpu.key: gpu for gpu in load_gpus()}


def made_presets(count: int) -> tuple[Preset, ...]:
    """Presets of every GPU kind and size with prices from a fixed seed."""
    prices = random.Random(0)  # noqa: S311 - prices, not secrets
    kinds = [(gpu, gpus) for gpus in (1, 2, 4, 8) for gpu in load_gpus()]
    return tuple(
        _preset(index, *kinds[index % len(kinds)], prices.uniform(0.2, 90))
        for index in range(count)
    )


def _preset(index: int, gpu: Gpu, gpus: int, price: float) -> Preset:
    raw = {
        "name": f"{gpu.key}-{gpus}-{index}",
        "vendor": gpu.vendor,
        "product": gpu.key,
        "gpus": gpus,
        "cpu": "8",
        "memory": "64Gi",
        "pricePerHour": round(price, 2),
    }
    return Preset.model_validate(raw)


def plan_one(presets: Sequence[Preset]) -> None:
    """Make the whole plan of one model."""
    raw = {
        "model": "mistral-small-3.2",
        "presets": presets,
        "kubernetes": {"context": "bench"},
        "ingress": {"enabled": False},
    }
    make_plan(StackSettings.model_validate(raw), stack="dev")


def choose_all(models: Sequence[Model], presets: Sequence[Preset]) -> int:
    """Choose for every model; the number of models that fit nowhere."""
    refused = 0
    for model in models:
        try:
            choose(model, presets, gpus=_GPUS)
        except PlanError:
            refused += 1
    return refused


def best(task: Callable[[], object]) -> float:
    """Seconds of the fastest of the runs."""
    times: list[float] = []
    for _ in range(RUNS):
        began = time.perf_counter()
        task()
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> int:
    """Print each measurement beside its bound; 1 when one is over."""
    few, many, models = made_presets(200), made_presets(1000), load_models()
    measured = (
        ("one model, 200 presets", best(lambda: plan_one(few)), ONE_MODEL_SECONDS),
        (
            f"{len(models)} models, 1000 presets",
            best(lambda: choose_all(models, many)),
            CATALOGUE_SECONDS,
        ),
    )
    print(f"best of {RUNS}, imports not counted")
    for name, seconds, bound in measured:
        verdict = "ok" if seconds < bound else "too slow"
        print(f"{name:<26} {seconds * 1000:8.1f} ms  bound {bound * 1000:6.0f} ms  {verdict}")
    return int(any(seconds >= bound for _, seconds, bound in measured))


if __name__ == "__main__":
    sys.exit(main())
