"""Presets as a table for a terminal of 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from planning.plan import Sizing, Verdict

COLUMNS = 100
_NAME = 20
_HEAD = 36  # the mark, the name, the price and the GPUs
_HEADER = (
    f"  {'preset':<{_NAME}} {'price':>6} {'GPUs':>5} {'need':>6} {'usable':>6} {'weights':>7}"
    f" {'KV':>5} {'act.':>5} {'other':>5} {'context':>8} {'reqs':>5}"
)
_LEAST_ROWS = 2  # the chosen preset, and what it is compared with
LEGEND = (
    "GiB on each GPU: need = weights + KV cache of one request + activations + other (libraries,",
    "CUDA graphs); reqs = requests of the whole context that the cache holds at once",
)


def table(verdicts: Sequence[Verdict]) -> list[str]:
    """Lay out every preset, the chosen one first and marked, with its whole reason if refused."""
    return [_HEADER, *(line for found in _chosen_first(verdicts) for line in _lines(found))]


def short_table(verdicts: Sequence[Verdict], *, most: int, more: str) -> list[str]:
    """Lay out the chosen preset and those nearest to it in price, a line each.

    The chosen one and one neighbour are always there.

    Args:
        verdicts: every preset, in the order of the choice.
        most: lines at most, header and the count of the rest included, where that leaves room.
        more: the command that shows the rest.
    """
    kept = verdicts if len(verdicts) < most else _nearest(verdicts, max(_LEAST_ROWS, most - 2))
    lines = [_HEADER, *(_shortened(_lines(found)) for found in _chosen_first(kept))]
    if left := [found for found in verdicts if found not in kept]:
        refused = sum(found.refusal is not None for found in left)
        lines.append(f"  and {len(left)} more, {refused} refused: {more}")
    return lines


def _chosen_first(verdicts: Sequence[Verdict]) -> list[Verdict]:
    return sorted(verdicts, key=lambda found: not found.chosen)


def _nearest(verdicts: Sequence[Verdict], count: int) -> list[Verdict]:
    """Keep the order, and of equally near ones the cheaper: why not that one is the question."""
    at = next((place for place, found in enumerate(verdicts) if found.chosen), 0)
    near = sorted(range(len(verdicts)), key=lambda place: (abs(place - at), place))
    return [verdicts[place] for place in sorted(near[:count])]


def _lines(found: Verdict) -> list[str]:
    mark = ">" if found.chosen else " "
    name = found.preset if len(found.preset) <= _NAME else f"{found.preset[: _NAME - 1]}…"
    ranks = found.sizing.tensor_parallel if found.sizing else found.gpus
    gpus = f"{found.gpus}" if ranks == found.gpus else f"{ranks}/{found.gpus}"
    if found.sizing and found.sizing.nodes > 1:
        gpus = f"{found.sizing.nodes}x{gpus}"
    head = f"{mark} {name:<{_NAME}} {found.hourly_price:>6.6g} {gpus:>5}"
    if found.sizing and (found.refusal is None or not found.sizing.fits):
        return [f"{head} {_figures(found.sizing)} {_word(found)}"]
    return textwrap.wrap(
        f"refused: {found.refusal}",
        COLUMNS,
        initial_indent=f"{head} ",
        subsequent_indent=" " * _HEAD,
        break_long_words=False,
    )


def _figures(sizing: Sizing) -> str:
    return (
        f"{sizing.required_gib:>6.1f} {sizing.usable_gib:>6.1f} {sizing.weights_gib:>7.1f} "
        f"{sizing.cache_gib:>5.1f} {sizing.activation_gib:>5.1f} {sizing.overhead_gib:>5.1f} "
        f"{sizing.context_length:>8} {sizing.concurrent_requests:>5.1f}"
    )


def _word(found: Verdict) -> str:
    if found.sizing and not found.sizing.fits:
        return f"-{found.sizing.required_gib - found.sizing.usable_gib:.1f}"
    return "chosen" if found.chosen else "fits"


def _shortened(lines: Sequence[str]) -> str:
    if len(lines) == 1:
        return lines[0]
    return f"{lines[0][: COLUMNS - 1].rstrip()}…"
