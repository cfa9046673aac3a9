"""Measured against predicted: `python -m benchmarks.sizing` prints the table and fails on a bound.

Weights, tokens of the cache given the same free bytes, the bytes of one request, and what is left
for the cache, for every published start-up line that says enough. The overhead constants were
chosen with these lines in view: the table shows calibration, not independent validation.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.sizing_formulas import FORMULAS
from benchmarks.sizing_logs import Log, model_of, read_logs
from planning.memory import memory, rank_cache_layout
from planning.units import GIB
from planning.weights import weights_bytes_per_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.sizing_logs import NotCompared

WEIGHTS_BOUND = 0.02
MXFP4_BOUND = 0.05
TOKENS_BOUND = 0.02
REQUEST_BOUND = 0.03  # the lines round to 0.1 GiB and leave the batch unsaid
OVER_BOUND_GIB = 0.3
UNDER_MEDIAN_BOUND_GIB = 1.5
# Lines that may break a bound, by id, with the reason; none does.
EXCUSED: dict[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Predictions beside one line; None where the line does not give the figure."""

    log: Log
    weights_gib: float | None
    weights_bound: float
    tokens: int | None
    request_gib: float | None
    left_gib: float | None
    others: dict[str, float]

    @property
    def over_gib(self) -> float | None:
        """How much more is predicted to be left for the cache than was: too much means an OOM."""
        if self.left_gib is None or self.log.kv_cache_gib is None:
            return None
        return self.left_gib - self.log.kv_cache_gib

    def broken(self) -> Iterator[str]:
        """Name each bound that the line breaks."""
        checks = (
            ("weights", self.weights_gib, self.log.weights_gib, self.weights_bound),
            ("tokens", self.tokens, self.log.kv_cache_tokens, TOKENS_BOUND),
            ("request", self.request_gib, self.log.request_gib, REQUEST_BOUND),
        )
        for name, predicted, measured, bound in checks:
            if predicted is not None and measured is not None:
                error = predicted / measured - 1
                if abs(error) > bound:
                    yield f"{name} are off by {error:+.1%}, more than {bound:.0%}"
        if self.over_gib is not None and self.over_gib > OVER_BOUND_GIB:
            yield f"left for the cache is over-estimated by {self.over_gib:.2f} GiB"


def compare(log: Log) -> Comparison:
    """Predict what one line measured."""
    model = model_of(log)
    layout = rank_cache_layout(model, log.tensor_parallel, log.settings)
    context = log.settings.max_model_len
    weights = weights_bytes_per_gpu(model, log.tensor_parallel) / GIB
    tokens = layout.tokens((log.kv_cache_gib or 0) * GIB, context) if log.kv_cache_tokens else None
    left = None
    others: dict[str, float] = {}
    if log.budgeted:
        left = memory(model, log.device, log.tensor_parallel, log.settings).kv_cache_gib
        others = {name: formula(model, log) for name, formula in FORMULAS.items()}
    return Comparison(
        log=log,
        weights_gib=weights if log.weights_gib else None,
        weights_bound=MXFP4_BOUND if model.quantization == "mxfp4" else WEIGHTS_BOUND,
        tokens=tokens,
        request_gib=layout.request_bytes(context) / GIB if log.request_gib else None,
        left_gib=left,
        others=others,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """What one formula says is left for the cache, in GiB above what was measured.

    `largest` is the worst of so many `lines`: above 0, a server does not start.
    """

    formula: str
    largest: float
    median: float
    lines: int


def errors(comparisons: Sequence[Comparison]) -> list[Errors]:
    """Sum up this program's errors and those of each other formula."""
    judged = [item for item in comparisons if item.left_gib is not None]
    return [
        Errors(
            formula=name,
            largest=max(_error(item, name) for item in judged),
            median=median(_error(item, name) for item in judged),
            lines=len(judged),
        )
        for name in ("ours", *FORMULAS)
    ]


def broken_bounds(comparisons: Sequence[Comparison]) -> list[str]:
    """Every bound that a line breaks without being excused, and the bound on the median."""
    broken = [
        f"{item.log.id}: {complaint}"
        for item in comparisons
        if item.log.id not in EXCUSED
        for complaint in item.broken()
    ]
    under = median(-over for item in comparisons if (over := item.over_gib) is not None)
    if under > UNDER_MEDIAN_BOUND_GIB:
        broken.append(f"left for the cache is under-estimated by {under:.2f} GiB at the median")
    return broken


def render(comparisons: Sequence[Comparison], left_out: Sequence[NotCompared]) -> str:
    """The tables, the lines left out and the summary, as text."""
    lines = ["Exact parts: weights in GiB per GPU, tokens and one request given the same bytes", ""]
    lines += [_exact_row(item) for item in comparisons]
    lines += ["", "Left for the cache, GiB per GPU: measured, predicted, and over (+) or under (-)"]
    summed = errors(comparisons)
    heading = f"{'':4} {'':46} {'measured':>8} {'predicted':>9}"
    lines += ["", heading + "".join(f"{each.formula:>9}" for each in summed)]
    lines += [_left_row(item) for item in comparisons if item.left_gib is not None]
    lines += [
        "",
        f"{'over by at most':>70}" + "".join(f"{each.largest:>+9.2f}" for each in summed),
        f"{'error at the median':>70}" + "".join(f"{each.median:>+9.2f}" for each in summed),
        "",
        "Calibrated on these lines, not validated independently. Not compared:",
        *(f"{item.id} {item.model}: {item.reason}" for item in left_out),
        *(f"{key}: excused, {reason}" for key, reason in EXCUSED.items()),
    ]
    return "\n".join(lines)


def main() -> int:
    """Print the tables; 1 when a line that is not excused breaks a bound."""
    logs, left_out = read_logs()
    comparisons = [compare(log) for log in logs]
    sys.stdout.write(render(comparisons, left_out) + "\n\n")
    broken = broken_bounds(comparisons)
    for complaint in broken:
        sys.stdout.write(f"BROKEN {complaint}\n")
    if not broken:
        sys.stdout.write(f"All bounds hold on {len(comparisons)} lines.\n")
    return 1 if broken else 0


def _exact_row(item: Comparison) -> str:
    parts = [f"{item.log.id:4} {_label(item.log):46}"]
    figures = (
        ("weights", item.log.weights_gib, item.weights_gib, ".2f"),
        ("tokens", item.log.kv_cache_tokens, item.tokens, ",d"),
        ("request", item.log.request_gib, item.request_gib, ".2f"),
    )
    for name, measured, predicted, style in figures:
        if measured is not None and predicted is not None:
            error = predicted / measured - 1
            parts.append(f"{name} {measured:{style}} -> {predicted:{style}} ({error:+.2%})")
    return "  ".join(parts)


def _left_row(item: Comparison) -> str:
    measured = item.log.kv_cache_gib or 0.0
    row = f"{item.log.id:4} {_label(item.log):46} {measured:8.2f} {item.left_gib:9.2f}"
    return row + "".join(f"{_error(item, name):>+9.2f}" for name in ("ours", *FORMULAS))


def _error(item: Comparison, name: str) -> float:
    predicted = item.left_gib if name == "ours" else item.others[name]
    return (predicted or 0.0) - (item.log.kv_cache_gib or 0.0)


def _label(log: Log) -> str:
    short = log.model.split("/")[1]
    gpus = f" x{log.tensor_parallel}" if log.tensor_parallel > 1 else ""
    return f"{short[:28]} {log.gpu or '?'}{gpus} {log.vllm or ''}".rstrip()


if __name__ == "__main__":
    sys.exit(main())
