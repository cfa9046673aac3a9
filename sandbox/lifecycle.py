"""What the commands start, stop and status do."""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from sandbox import modes, namespace, network, ports, processes, tiers
from sandbox.modes import Machine
from sandbox.probes import HttpProbe
from sandbox.processes import Component
from sandbox.state import (
    OWN_ENTRIES,
    Ports,
    Run,
    SandboxError,
    Settings,
    Tier,
    exclusive,
    read_run,
    write_run,
)
from sandbox.tiers import State

Say = Callable[[str], None]


def start(settings: Settings, tier: Tier, say: Say, *, prometheus: bool = False) -> None:
    """Start a tier, add it to a running lower one, or say that it runs already.

    Raises:
        SandboxError: It cannot be started; nothing that a fresh start began is left running.
        MissingTool: A program is not installed.
    """
    with exclusive(settings):
        previous = read_run(settings)
        alive = previous is not None and _is_alive(settings, previous)
        if previous and alive:
            if previous.port_base != settings.ports.base:
                raise SandboxError(_other_ports(settings, previous))
            tier = "full" if "full" in (tier, previous.tier) else "core"
            prometheus = prometheus or previous.prometheus
            same = (previous.tier, previous.prometheus) == (tier, prometheus)
            if same and all(state.ready for state in _states(settings, previous)):
                _refresh_names(settings, previous)
                say(f"the sandbox is already running ({previous.tier})")
                return
        machine = Machine.observed()
        run = modes.choose(tier, settings.ports.base, machine, prometheus=prometheus)
        if previous and alive and previous.mode != run.mode:
            say("moving the running sandbox into a namespace; its data stays")
            _stop(settings, previous)
            alive = False
        if not alive:
            ports.require_free(ports.needed(settings.ports, run))
        write_run(settings, run)
        try:
            _bring_up(settings, run, machine.namespaces, say)
            say(_addresses(settings, run))
        except BaseException:
            if not alive:
                _stop(settings, run)
            raise


def stop(settings: Settings, say: Say, *, wipe: bool) -> None:
    """Stop what start started, and with wipe remove what it wrote; saying so when there is none."""
    if not settings.directory.exists():
        say("the sandbox is not running")
        return
    with exclusive(settings):
        run = read_run(settings)
        if run:
            _stop(settings, run)
        say("the sandbox is stopped" if run else "the sandbox is not running")
        if wipe:
            _wipe(settings)


def stop_one(settings: Settings, name: str, *, kill: bool) -> None:
    """Stop or kill one component of the running sandbox; `start` starts it again.

    Raises:
        SandboxError: The sandbox is not running, or has no such component.
    """
    _act_on_one(settings, "stop-one", name, kill=kill)


def restart_one(settings: Settings, name: str, *, kill: bool) -> None:
    """Stop or kill one component of the running sandbox, and start it again.

    Raises:
        SandboxError: The sandbox is not running, it has no such component, or that does not
            become ready.
    """
    _act_on_one(settings, "restart-one", name, kill=kill)


def _act_on_one(settings: Settings, action: str, name: str, *, kill: bool) -> None:
    with exclusive(settings):
        run = _running(settings)
        recorded = _recorded(settings, run)
        if run.mode == "namespace":
            done = namespace.act(recorded, action, name, *(["--kill"] if kill else []))
            if done.returncode:
                raise SandboxError(done.stderr.strip())
        else:
            act = tiers.stop_one if action == "stop-one" else tiers.restart_one
            act(recorded, run, name, kill=kill)


def _running(settings: Settings) -> Run:
    run = read_run(settings)
    if run is None or not _is_alive(settings, run):
        message = "the sandbox is not running: start it with `python -m sandbox start`"
        raise SandboxError(message)
    return run


def status(settings: Settings) -> tuple[State, ...]:
    """Return the state of every process of the running tier; none when nothing was started."""
    run = read_run(settings)
    return _states(_recorded(settings, run), run) if run else ()


def command(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """Return the command that runs the arguments where the sandbox's components run.

    Raises:
        SandboxError: The sandbox is not running.
    """
    _running(settings)
    return [*(namespace.entry(settings) or ()), *arguments]


def _bring_up(settings: Settings, run: Run, allowed: Sequence[str], say: Say) -> None:
    if run.mode != "namespace":
        if run.mode == "machine":
            _refresh_names(settings, run)
        tiers.bring_up(settings, run, say)
        return
    namespace.create(settings, allowed)
    done = namespace.act(settings, "start")
    if done.returncode:
        raise SandboxError(done.stderr.strip())
    say(done.stdout.strip())
    forwarder = _forwarder(settings)
    processes.start(settings, forwarder)
    processes.wait_ready(settings, [forwarder], tiers.START_SECONDS)


def _forwarder(settings: Settings) -> Component:
    """Describe this machine's end of the way in, to the ports that programs here may call."""
    routes = [f"{route.name}={route.outside}" for route in ports.routes(settings.ports)]
    return Component(
        name=processes.FORWARDER,
        command=(
            sys.executable,
            "-m",
            "sandbox.forwarder",
            "outside",
            str(settings.sockets),
            *routes,
        ),
        environment=namespace.python_environment(),
        probe=HttpProbe(port=settings.ports.apiserver, path="/readyz", tls=True),
    )


def _addresses(settings: Settings, run: Run) -> str:
    own = settings.ports
    addresses = [f"API server https://127.0.0.1:{own.apiserver}"]
    if run.tier == "full":
        interceptor = own.interceptor if run.mode == "namespace" else own.interceptor_proxy
        addresses.append(f"Traefik http://127.0.0.1:{own.ingress}")
        addresses.append(f"interceptor http://127.0.0.1:{interceptor}")
        if run.prometheus:
            addresses.append(f"Prometheus http://127.0.0.1:{own.prometheus}")
    return ", ".join(addresses)


def _stop(settings: Settings, run: Run) -> None:
    if run.mode == "namespace":
        processes.stop(settings, [processes.FORWARDER])
        if _is_alive(settings, run):
            namespace.act(settings, "stop")
        namespace.destroy(settings)
    else:
        tiers.bring_down(settings)
    for record in settings.pids.glob("*.json"):
        record.unlink()
    if run.mode == "machine":
        network.replace_marked_lines(modes.HOSTS, _mark(settings), "")
    settings.run_file.unlink(missing_ok=True)


def _wipe(settings: Settings) -> None:
    for name in OWN_ENTRIES:
        entry = settings.directory / name
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
    if not any(settings.directory.iterdir()):
        settings.directory.rmdir()


def _states(settings: Settings, run: Run) -> tuple[State, ...]:
    if run.mode != "namespace":
        return tiers.states(settings, run)
    inside: tuple[State, ...] = ()
    if _is_alive(settings, run):
        done = namespace.act(settings, "status")
        if done.returncode:
            raise SandboxError(done.stderr.strip())
        pids = namespace.outside_pids(settings)
        inside = tuple(
            State(
                name=row["name"],
                pid=pids.get(row["pid"]),
                ready=row["ready"],
                log=Path(row["log"]),
            )
            for row in json.loads(done.stdout)
        )
    return (_holder_state(settings), *inside, _forwarder_state(settings))


def _holder_state(settings: Settings) -> State:
    pid = processes.running_pid(settings, processes.NAMESPACE)
    log = processes.log_path(settings, processes.NAMESPACE)
    return State(name=processes.NAMESPACE, pid=pid, ready=pid is not None, log=log)


def _forwarder_state(settings: Settings) -> State:
    pid = processes.running_pid(settings, processes.FORWARDER)
    ready = pid is not None and _forwarder(settings).probe()
    return State(
        name=processes.FORWARDER,
        pid=pid,
        ready=ready,
        log=processes.log_path(settings, processes.FORWARDER),
    )


def _is_alive(settings: Settings, run: Run) -> bool:
    if run.mode == "namespace":
        return processes.running_pid(settings, processes.NAMESPACE) is not None
    return any(processes.running_pid(settings, name) for name in processes.recorded(settings))


def _refresh_names(settings: Settings, run: Run) -> None:
    if run.mode == "namespace":
        namespace.write_hosts(settings)
    if run.mode == "machine":
        mark = _mark(settings)
        lines = network.hosts_lines(settings.hosts, mark)
        network.replace_marked_lines(modes.HOSTS, mark, lines)


def _mark(settings: Settings) -> str:
    return f"# mistral-vllm-sandbox {settings.directory}"


def _recorded(settings: Settings, run: Run) -> Settings:
    return replace(settings, ports=Ports.counted_from(run.port_base))


def _other_ports(settings: Settings, run: Run) -> str:
    return (
        f"the sandbox in {settings.directory} runs on port base {run.port_base}, not "
        f"{settings.ports.base}: stop it with `python -m sandbox stop`, or set SANDBOX_STATE to "
        "another directory for a second one"
    )
