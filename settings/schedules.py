"""Cron expressions and time zones, as KEDA reads them.

KEDA accepts a ScaledObject with a schedule that it cannot read, and then does not scale by it; so
what its parser refuses is refused here (github.com/robfig/cron v3, parser.go and spec.go).
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Annotated

from pydantic import AfterValidator

from settings.values import rule

_PART = re.compile(r"(?:[*?]|([0-9a-zA-Z]+)(?:-([0-9a-zA-Z]+))?)(?:/([0-9]+))?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("weekday", 0, 6, _DAYS),
)


def _check_schedule(value: str) -> str:
    fields = value.split(" ")
    if len(fields) != len(_FIELDS):
        raise rule(
            "is five fields with single spaces (minute hour day month weekday)",
            remedy="write it like 0 8 * * 1-5",
        )
    for text, (name, low, high, names) in zip(fields, _FIELDS, strict=True):
        if not all(_fits(part, low, high, names) for part in text.split(",")):
            words = f" or {names[0]} to {names[-1]}" if names else ""
            sunday = ", where Sunday is 0" if names == _DAYS else ""
            raise rule(
                f"is a cron expression whose {name} is *, or numbers from {low} to {high}{words}"
                f"{sunday}, as a list, a range or with a step, and not '{text}'",
                remedy=f"write the {name} as {low}, {low}-{high} or */2",
            )
    return value


def _fits(part: str, low: int, high: int, names: tuple[str, ...]) -> bool:
    """Whether `*`, `a`, `a-b`, or one of them with a step is within the bounds of its field."""
    found = _PART.fullmatch(part)
    if found is None or (found[3] and int(found[3]) == 0):
        return False
    first, last = (_number(text, low, names) for text in (found[1], found[2]))
    if first is None:
        return found[1] is None
    if last is None:
        return found[2] is None and low <= first <= high
    return low <= first <= last <= high


def _number(text: str | None, low: int, names: tuple[str, ...]) -> int | None:
    if text is None or text.isdigit():
        return None if text is None else int(text)
    word = text.lower()
    return names.index(word) + low if word in names else None


def _check_zone(value: str) -> str:
    if value not in _zones():
        raise rule(
            "is a name of the IANA time zone database", remedy="write it like Europe/Berlin or UTC"
        )
    return value


@cache
def _zones() -> frozenset[str]:
    # Of a pinned package, not of the machine, whose database may know more or fewer than another's.
    return frozenset((files("tzdata") / "zones").read_text().split())


Schedule = Annotated[str, AfterValidator(_check_schedule)]
Zone = Annotated[str, AfterValidator(_check_zone)]
