"""Commands that need no stack: `python -m planning explain | memory | lock`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from catalog.reading import CatalogError
from planning import explain_command, lock, memory_command
from planning.errors import PlanError
from settings.mistakes import Mistake


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 when the model can be served, 1 when it cannot, 2 for a wrong call."""
    parser = argparse.ArgumentParser(prog="python -m planning", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    explain_command.add(commands)
    memory_command.add(commands)
    commands.add_parser("lock", help="pin a model and its facts in the catalogue", add_help=False)
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["lock"]:
        return lock.main(given[1:])
    asked = parser.parse_args(given)
    run = {"explain": explain_command.run, "memory": memory_command.run}[asked.command]
    try:
        return run(asked)
    except PlanError as error:
        _report(error.mistakes)
    except CatalogError as error:
        print(f"error: {error}", file=sys.stderr)
    return 1


def _report(mistakes: Sequence[Mistake]) -> None:
    for mistake in sorted(mistakes):
        print(f"error: {mistake}", file=sys.stderr)


def _run() -> int:
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:
        # A reader such as `head` has seen enough; Python would complain again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


if __name__ == "__main__":
    sys.exit(_run())
