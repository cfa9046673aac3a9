"""Command line: `python3 -m tools install GROUP...`."""

import argparse
import os
import signal
import sys

from tools.artifacts import GROUPS
from tools.install import install_all, missing
from tools.session import Session, read_settings


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 done, 1 failed, 2 bad usage, 130 interrupted."""
    options = _parser().parse_args(arguments)
    groups = tuple(options.groups)
    try:
        return _install(groups)
    except (ValueError, NotImplementedError) as error:
        print(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m tools",
        description="Obtain the engine and the sandbox binaries.",
        epilog="TOOLS_SOURCES=path,release,go,pip restricts or reorders the sources; "
        "TOOLS_RELEASE_MIRROR=http://... replaces the hosts of the releases.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("install", help="install what is missing of the groups")
    command.add_argument("groups", nargs="+", metavar="GROUP", help=", ".join(GROUPS))
    return parser


def _install(groups: tuple[str, ...]) -> int:
    settings = read_settings(os.environ)
    artifacts = missing(groups)
    if not artifacts:
        return 0
    session = Session(settings)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        failures = install_all(artifacts, session)
    except KeyboardInterrupt:
        session.say("interrupted: what was finished is kept, nothing is left half-made")
        return 130
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
