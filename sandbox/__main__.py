"""Command line of the sandbox: start, status, stop, restart and exec."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence

from sandbox import lifecycle
from sandbox.state import SandboxError, Settings
from sandbox.tiers import State
from tools import locate


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; ends the program with a usage message when it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="A real Kubernetes control plane on loopback, with simulated GPU pools.",
        epilog="SANDBOX_STATE, SANDBOX_PORT_BASE and SANDBOX_HOSTS set its directory, the first "
        "of its ports, and more names like vllm.llm that resolve to 127.0.0.1.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start", help="start it, or add the full tier to a running core")
    start.add_argument("tier", nargs="?", choices=("core", "full"), default="core")
    start.add_argument(
        "--with",
        dest="addition",
        choices=("prometheus",),
        help="start this with the full tier; it stays until stop",
    )
    commands.add_parser("status", help="show its processes; exit 0 only if all are ready")
    stop = commands.add_parser("stop", help="stop what start started, or one component of it")
    stop.add_argument("component", nargs="?")
    stop.add_argument("--wipe", action="store_true", help="also remove the data of all")
    restart = commands.add_parser("restart", help="stop one component and start it again")
    restart.add_argument("component")
    for command in (stop, restart):
        command.add_argument(
            "--kill", action="store_true", help="end the component as a crash does"
        )
    execute = commands.add_parser("exec", help="run a command where the components run")
    execute.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; a mistake is one message without a traceback."""
    parsed = parse(arguments)
    try:
        return _COMMANDS[parsed.command](Settings.from_environment(os.environ), parsed)
    except (SandboxError, locate.MissingTool) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def table(states: Sequence[State]) -> str:
    """Lay out one line per process, under a heading."""
    rows = [("COMPONENT", "PID", "READY", "LOG")]
    for state in states:
        pid = str(state.pid) if state.pid else "-"
        rows.append((state.name, pid, "yes" if state.ready else "no", str(state.log)))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
        for row in rows
    )


def _start(settings: Settings, parsed: argparse.Namespace) -> int:
    # Ends like Ctrl-C, so that an interrupted start stops what it began.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    if parsed.addition and parsed.tier != "full":
        message = f"--with {parsed.addition} needs the full tier: python -m sandbox start full"
        raise SandboxError(message)
    lifecycle.start(settings, parsed.tier, print, prometheus=bool(parsed.addition))
    print(f"ready after {time.monotonic() - began:.1f} s; export KUBECONFIG={settings.kubeconfig}")
    return 0


def _stop(settings: Settings, parsed: argparse.Namespace) -> int:
    if parsed.component is None:
        if parsed.kill:
            message = "--kill ends one component: python -m sandbox stop COMPONENT --kill"
            raise SandboxError(message)
        lifecycle.stop(settings, print, wipe=parsed.wipe)
    else:
        if parsed.wipe:
            message = "--wipe removes the data of all components: leave out the component"
            raise SandboxError(message)
        lifecycle.stop_one(settings, parsed.component, kill=parsed.kill)
        print(f"{parsed.component} is stopped; `python -m sandbox start` starts it again")
    return 0


def _restart(settings: Settings, parsed: argparse.Namespace) -> int:
    began = time.monotonic()
    lifecycle.restart_one(settings, parsed.component, kill=parsed.kill)
    print(f"{parsed.component} is ready after {time.monotonic() - began:.1f} s")
    return 0


def _status(settings: Settings, _parsed: argparse.Namespace) -> int:
    states = lifecycle.status(settings)
    if not states:
        print("the sandbox is not running: start it with `python -m sandbox start`")
        return 1
    print(table(states))
    return 0 if all(state.ready for state in states) else 1


def _execute(settings: Settings, parsed: argparse.Namespace) -> int:
    if not parsed.words:
        message = "exec needs a command: python -m sandbox exec COMMAND [ARGUMENT...]"
        raise SandboxError(message)
    command = lifecycle.command(settings, parsed.words)
    tools = str(locate.program("kubectl").parent)
    os.environ["KUBECONFIG"] = str(settings.kubeconfig)
    os.environ["PATH"] = os.pathsep.join([tools, os.environ.get("PATH", os.defpath)])
    os.execvp(command[0], command)  # noqa: S606 - runs what the user asks for, without a shell


_COMMANDS = {
    "start": _start,
    "stop": _stop,
    "restart": _restart,
    "status": _status,
    "exec": _execute,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
