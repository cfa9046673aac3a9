"""`python -m cluster diagnose --stack NAME`: print why an app's pods do not run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cluster.client import UNREADABLE, connect, reason
from cluster.diagnosis import diagnose
from planning.names import Names
from settings.mistakes import as_message
from settings.parse import parse
from settings.stack_files import read_stack_file


def main() -> int:
    """Run the command line; the exit code is 1 where nothing could be read."""
    parser = argparse.ArgumentParser(prog="python -m cluster", description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("diagnose", help="explain the state of the app's pods")
    command.add_argument("--stack", required=True, help="reads Pulumi.STACK.yaml")
    return _diagnose(parser.parse_args().stack)


def _diagnose(stack: str) -> int:
    file = Path(f"Pulumi.{stack}.yaml")
    if not file.is_file():
        print(f"cannot diagnose: there is no {file} in this folder", file=sys.stderr)
        return 1
    found = read_stack_file(file)
    parsed = parse(found.raw, secret=found.secret)
    if parsed.settings is None:
        print(as_message(stack, parsed.mistakes), file=sys.stderr)
        return 1
    settings = parsed.settings
    context = settings.kubernetes.context
    if context is None:
        print("cannot diagnose: the stack renders manifests, it has no cluster", file=sys.stderr)
        return 1
    names = Names(app=settings.name, namespace=settings.namespace.name, stack=stack)
    try:
        with connect(context) as client:
            print("\n".join(diagnose(client, names)))
    except UNREADABLE as error:
        print(f"cannot diagnose: {reason(error)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
