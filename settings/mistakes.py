"""One mistake in the stack config, as a line that a person can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Mistake:
    """A wrong value: where it stands, what is wrong with it, the rule it breaks, what to do."""

    key: str
    wrong: str
    rule: str
    remedy: str

    def __str__(self) -> str:
        text = f"{self.key}: {self.wrong}; {self.rule}; {self.remedy}"
        # What a config holds must neither break the line nor command the terminal.
        return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Give the known word nearest to a mistyped one, or None when none is near.

    Case is ignored, because config keys differ from what people type mostly by their case.
    """
    by_lower = {candidate.lower(): candidate for candidate in sorted(known)}
    near = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[near[0]] if near else None


def as_message(stack: str, mistakes: Iterable[Mistake]) -> str:
    """Render all mistakes of a stack as one message, sorted, a line each."""
    lines = sorted(str(mistake) for mistake in mistakes)
    count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
    listed = "\n".join(f"  - {line}" for line in lines)
    return f"the configuration of stack '{stack}' has {count}; nothing was changed:\n{listed}"
