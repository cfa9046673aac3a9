"""Runs inside the namespace, for the commands outside: what they do to a tier or a component."""

import json
import os
import sys
from dataclasses import asdict

from sandbox import ports, processes, tiers
from sandbox.namespace import python_environment
from sandbox.probes import FileProbe
from sandbox.processes import Component
from sandbox.state import Run, SandboxError, Settings, read_run
from tools.locate import MissingTool


def forwarder(settings: Settings) -> Component:
    """Describe the namespace's end of the way in."""
    routes = ports.routes(settings.ports)
    return Component(
        name="forwarder-inside",
        command=(
            sys.executable,
            "-m",
            "sandbox.forwarder",
            "inside",
            str(settings.sockets),
            *(f"{route.name}={route.inside}" for route in routes),
        ),
        environment=python_environment(),
        probe=FileProbe(path=settings.sockets / routes[-1].name),
    )


def act(settings: Settings, run: Run, action: str, *words: str) -> None:
    """Do one action and print what the command outside shows or reads."""
    if action == "stop":
        tiers.bring_down(settings)
    elif action in {"stop-one", "restart-one"}:
        act_on_one = tiers.stop_one if action == "stop-one" else tiers.restart_one
        act_on_one(settings, run, words[0], kill="--kill" in words)
    elif action == "status":
        states = tiers.states(settings, run)
        print(json.dumps([{**asdict(state), "log": str(state.log)} for state in states]))
    else:
        processes.start(settings, forwarder(settings))
        tiers.bring_up(settings, run, print)
        processes.wait_ready(settings, [forwarder(settings)], tiers.START_SECONDS)


def main() -> int:
    """Return 1 after printing one message when the action fails."""
    settings = Settings.from_environment(os.environ)
    run = read_run(settings)
    try:
        if run:
            act(settings, run, *sys.argv[1:])
    except (SandboxError, MissingTool) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
