"""`python -m docs.generate`: rewrite the tables between the markers of README.md.

A table stands between `<!-- table:NAME -->` and `<!-- /table -->`.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from docs.tables import NAMES, ROOT, render

README = ROOT / "README.md"

_TABLE = re.compile(
    r"(?P<open><!-- table:(?P<name>\S*) -->\n)(?P<body>.*?)(?P<close><!-- /table -->)", re.S
)
_MARKER = re.compile(r"<!-- (?:table:\S*|/table) -->")


class MarkerError(ValueError):
    """The markers of a document name no table, or do not come in pairs."""


def outdated(text: str) -> list[str]:
    """Name the tables that are not what the code says.

    Raises:
        MarkerError: a marker names no table, or has no counterpart.
    """
    return [match["name"] for match in _found(text) if match["body"] != render(match["name"])]


def rewrite(text: str) -> str:
    """Replace what stands between the markers by the tables of the code.

    Raises:
        MarkerError: a marker names no table, or has no counterpart.
    """
    _found(text)
    return _TABLE.sub(lambda match: match["open"] + render(match["name"]) + match["close"], text)


def _found(text: str) -> list[re.Match[str]]:
    found = list(_TABLE.finditer(text))
    markers = len(_MARKER.findall(text))
    if markers != 2 * len(found) or any(_MARKER.search(match["body"]) for match in found):
        raise MarkerError(
            "a marker has no counterpart; put each table between <!-- table:NAME --> on a line of "
            "its own and <!-- /table -->"
        )
    for match in found:
        if match["name"] not in NAMES:
            raise MarkerError(
                f"table:{match['name']} is not a table; the tables are {', '.join(NAMES)}"
            )
    return found


def main(arguments: list[str] | None = None, *, document: Path = README) -> int:
    """Run the command; the exit status is 1 if the document differs under --check or is wrong."""
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, say what differs")
    options = parser.parse_args(arguments)
    try:
        text = document.read_text(encoding="utf-8")
        names = outdated(text)
    except (OSError, MarkerError) as error:
        print(f"{document.name}: {error}", file=sys.stderr)
        return 1
    if names and options.check:
        print(
            f"{document.name}: not what the code says: {', '.join(names)}; "
            "run python -m docs.generate",
            file=sys.stderr,
        )
        return 1
    if names:
        document.write_text(rewrite(text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
