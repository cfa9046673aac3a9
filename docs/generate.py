"""`python -m docs.generate`: rewrite the tables of README.md and docs/, and the outputs' schema.

A table stands between `<!-- table:NAME -->` and `<!-- /table -->`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from docs.contract import SCHEMA_FILE, BrokenContractError, schema_text
from docs.tables import NAMES, ROOT, render

DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
"""Where tables may stand; each stands once."""

_REMEDY = "run python -m docs.generate"

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


def main(
    arguments: list[str] | None = None,
    *,
    documents: Sequence[Path] = DOCUMENTS,
    schema: Path = SCHEMA_FILE,
) -> int:
    """Run the command; the exit status is 1 if a file differs under --check or is wrong."""
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, say what differs")
    check = parser.parse_args(arguments).check
    said = [line for document in documents for line in _document(document, check=check)]
    said += _schema(schema, check=check)
    for line in said:
        print(line, file=sys.stderr)
    return 1 if said else 0


def _document(path: Path, *, check: bool) -> Iterator[str]:
    try:
        text = path.read_text(encoding="utf-8")
        names = outdated(text)
    except (OSError, MarkerError) as error:
        yield f"{path.name}: {error}"
        return
    if names and check:
        yield f"{path.name}: not what the code says: {', '.join(names)}; {_REMEDY}"
    elif names:
        path.write_text(rewrite(text), encoding="utf-8")


def _schema(path: Path, *, check: bool) -> Iterator[str]:
    try:
        text = schema_text(path)
    except BrokenContractError as error:
        yield f"{path.name}: {error}"
        return
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    if check:
        yield f"{path.name}: not what the code says; {_REMEDY}"
    else:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
