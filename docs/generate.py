"""`python -m docs.generate`: rewrite the tables between the markers of README.md.

A table stands between `<!-- table:NAME -->` and `<!-- /table -->`.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from docs.tables import ROOT, TABLES, render

README = ROOT / "README.md"

_TABLE = re.compile(
    r"(?P<open><!-- table:(?P<name>\S*) -->\n)(?P<body>.*?)(?P<close><!-- /table -->)", re.S
)
_MARKER = re.compile(r"<!-- (?:table:\S*|/table) -->")


class MarkerError(ValueError):
    """The markers of a document name no table, or do not come in pairs."""


def rewrite(text: str) -> str:
    """Replace what stands between the markers by the tables of the code.

    Raises:
        MarkerError: a marker names no table, or has no counterpart.
    """
    found = list(_TABLE.finditer(text))
    if 2 * len(found) != len(_MARKER.findall(text)) or any(
        _MARKER.search(match["body"]) for match in found
    ):
        raise MarkerError(
            "a marker has no counterpart; put each table between <!-- table:NAME --> on a line of "
            "its own and <!-- /table -->"
        )
    for match in found:
        if match["name"] not in TABLES:
            raise MarkerError(
                f"table:{match['name']} is not a table; the tables are {', '.join(TABLES)}"
            )
    return _TABLE.sub(lambda match: match["open"] + render(match["name"]) + match["close"], text)


def main(arguments: list[str] | None = None, *, document: Path = README) -> int:
    """Run the command; the exit status is 1 if the document differs under --check or is wrong."""
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, say what differs")
    options = parser.parse_args(arguments)
    try:
        text = document.read_text(encoding="utf-8")
        rewritten = rewrite(text)
    except (OSError, MarkerError) as error:
        print(f"{document.name}: {error}", file=sys.stderr)
        return 1
    if rewritten == text:
        return 0
    if options.check:
        print(
            f"{document.name}: a table differs from the code; run python -m docs.generate",
            file=sys.stderr,
        )
        return 1
    document.write_text(rewritten, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
