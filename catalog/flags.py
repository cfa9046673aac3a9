"""The flags that `vllm serve` accepts, by vLLM version, read from the committed lists."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TypedDict

_LISTS = Path(__file__).parent / "vllm_flags"
_RELEASE = re.compile(r"v?(\d+(?:\.\d+)+)")


class _ListFile(TypedDict):
    flags: dict[str, str]
    other_spellings: dict[str, str]
    version: str


@dataclass(frozen=True, slots=True)
class FlagList:
    """What one vLLM version accepts.

    `kinds` maps the canonical long flag to bool (has a `--no-` twin), switch (has none), optional
    (the value may be left out) or value; `spellings` maps every accepted spelling to its flag.
    `note` is empty when the list is the asked version's own, else says which one stands in.
    """

    version: str
    kinds: Mapping[str, str]
    spellings: Mapping[str, str]
    note: str = ""

    def candidates(self, argument: str) -> tuple[str, ...]:
        """Name the flags that vLLM could read an argument as: none, one, or several (ambiguous).

        vLLM's parser turns underscores into dashes, takes `--flag=value`, `--flag.key value` and
        `-O3`, and, being argparse, any unambiguous prefix and a value glued to a one-letter option
        (vllm/utils/argparse_utils.py; argparse.ArgumentParser._parse_optional).
        """
        name = option_name(argument)
        if name in self.spellings:
            return (self.spellings[name],)
        # argparse shortens a single-dash option only where no value is joined to it by `=`.
        start = name if name.startswith("--") else argument
        prefixed = {flag for spelling, flag in self.spellings.items() if spelling.startswith(start)}
        if not name.startswith("--"):
            prefixed |= {flag for letter, flag in self.spellings.items() if letter == name[:2]}
        return tuple(sorted(prefixed))

    def nearest(self, argument: str) -> str | None:
        """Suggest the accepted spelling most like an unknown one, if any is alike."""
        longs = [spelling for spelling in self.spellings if spelling.startswith("--")]
        return next(iter(get_close_matches(option_name(argument), sorted(longs), n=1)), None)


def is_option(argument: str) -> bool:
    """Tell an option from a value as argparse does: a negative number or a sentence is a value."""
    if not argument.startswith("-") or argument == "-":
        return False
    name = argument.partition("=")[0]
    return not re.fullmatch(r"-\d+|-\d*\.\d+", argument) and " " not in name


def option_name(argument: str) -> str:
    """Reduce an option to the name that vLLM looks up: no value, no JSON path, dashes only."""
    if argument.startswith("-O"):
        return "--optimization-level"
    name = argument.partition("=")[0].partition(".")[0]
    return name.replace("_", "-") if name.startswith("--") else name


def load_flags(version: str) -> FlagList:
    """Load the list of a vLLM version such as `0.31.0` or `v0.31.0-cu129`.

    A version without a list of its own gets the newest list at or below it, one older than every
    list the oldest, and anything that is not a version (a tag of one's own) the newest; the list's
    `note` then says so.
    """
    lists = _lists()
    release = _RELEASE.match(version)
    if release is None:
        stand_in = lists[-1]
    else:
        asked = _numbers(release[1])
        exact_or_older = [known for known in lists if _numbers(known.version) <= asked]
        stand_in = exact_or_older[-1] if exact_or_older else lists[0]
        if _numbers(stand_in.version) == asked:
            return stand_in
    note = f"no flag list for vLLM {version}; its flags were checked against {stand_in.version}"
    return FlagList(stand_in.version, stand_in.kinds, stand_in.spellings, note)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


@cache
def _lists() -> tuple[FlagList, ...]:
    """Read every list, oldest first."""
    found = [_flag_list(json.loads(path.read_text("utf-8"))) for path in _LISTS.glob("*.json")]
    return tuple(sorted(found, key=lambda known: _numbers(known.version)))


def _flag_list(body: _ListFile) -> FlagList:
    # argparse.BooleanOptionalAction adds `--no-X` to every long spelling of a bool.
    spellings = {flag: flag for flag in body["flags"]} | body["other_spellings"]
    negated = {
        f"--no-{spelling.removeprefix('--')}": flag
        for spelling, flag in spellings.items()
        if body["flags"][flag] == "bool" and spelling.startswith("--")
    }
    return FlagList(
        body["version"], MappingProxyType(body["flags"]), MappingProxyType(spellings | negated)
    )
