"""Start, stop and state of a tier's components, wherever this process runs."""

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sandbox import cluster, core, full, pki, processes, prometheus
from sandbox.processes import Component
from sandbox.state import Run, SandboxError, Settings

_OLD_KINDS_SECONDS = 3.0
# Of one step, on a machine ten times slower than an idle one.
START_SECONDS = 180.0
_SERVICE_ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"
# The API server ends after its clients, which would log its loss as errors; the store ends last.
_LAST_TO_STOP = ("kube-apiserver", "etcd")


@dataclass(frozen=True, kw_only=True)
class State:
    """What is known of one component."""

    name: str
    pid: int | None
    ready: bool
    log: Path


def components(settings: Settings, run: Run) -> tuple[Component, ...]:
    """Return the components of a tier, in the order of their start."""
    control_plane = (
        core.etcd(settings),
        core.apiserver(settings),
        core.controller_manager(settings),
        core.scheduler(settings),
        core.kwok(settings),
    )
    if run.tier == "core":
        return control_plane
    return (*control_plane, *full.components(settings, run))


def bring_up(settings: Settings, run: Run, say: Callable[[str], None]) -> None:
    """Start what does not run yet, apply the sandbox's objects and wait until all is ready.

    Raises:
        SandboxError: A component ends or does not become ready, or an object is refused.
        MissingTool: A program is not installed.
    """
    etcd, apiserver, *others = components(settings, run)
    kinds_seconds = _OLD_KINDS_SECONDS if settings.etcd_data.exists() else START_SECONDS
    processes.start(settings, etcd)
    cluster.write_stages(settings, run.tier)
    pki.create(settings)
    pki.write_kubeconfig(settings)
    processes.wait_ready(settings, [etcd], START_SECONDS)
    processes.start(settings, apiserver)
    processes.wait_ready(settings, [apiserver], START_SECONDS)
    say("the API server is ready")
    if processes.running_pid(settings, core.kwok(settings).name) is None:
        _wait(settings, "the nodes are released", cluster.nodes_are_released)
    for component in others[:3]:
        processes.start(settings, component)
    cluster.apply_core(settings)
    with ThreadPoolExecutor() as beside:
        spare = beside.submit(cluster.apply_spare_definitions, settings)
        if run.tier == "full":
            _start_operators(settings, run, others[3:], kinds_seconds)
        processes.wait_ready(settings, others, START_SECONDS)
        spare.result()
    _wait(settings, "all nodes are Ready", cluster.all_nodes_ready)
    _wait(settings, "the default ServiceAccount exists", _has_service_account)
    say(f"{len(others) + 2} components are ready")


def _start_operators(
    settings: Settings, run: Run, operators: Sequence[Component], kinds_seconds: float
) -> None:
    cluster.apply_full(settings, run.address)
    prometheus.write_configuration(settings)
    # An operator that meets an unknown kind tries again only after ten seconds. After a quick
    # restart the list of kinds can stay old until KEDA's adapter answers, so the wait is short
    # then, and the start goes on without it.
    with contextlib.suppress(SandboxError):
        served = partial(cluster.serves_custom_resources, settings)
        processes.wait_until("the custom resources are served", served, kinds_seconds)
    for component in operators:
        processes.start(settings, component)
    _wait(settings, "the Gateway is there", cluster.has_gateway)


def bring_down(settings: Settings) -> None:
    """Stop whatever was started here."""
    names = processes.recorded(settings)
    processes.stop(settings, [name for name in names if name not in _LAST_TO_STOP])
    for name in _LAST_TO_STOP:
        processes.stop(settings, [name])


def stop_one(settings: Settings, run: Run, name: str, *, kill: bool) -> None:
    """Stop one component, or kill it as a crash would.

    Raises:
        SandboxError: The tier has no such component.
    """
    _named(settings, run, name)
    processes.stop(settings, [name], kill=kill)


def restart_one(settings: Settings, run: Run, name: str, *, kill: bool) -> None:
    """Stop or kill one component, start it again and wait until it is ready.

    Raises:
        SandboxError: The tier has no such component, or it does not become ready.
    """
    component = _named(settings, run, name)
    processes.stop(settings, [name], kill=kill)
    if name == core.kwok(settings).name:
        _wait(settings, "the nodes are released", cluster.nodes_are_released)
    processes.start(settings, component)
    processes.wait_ready(settings, [component], START_SECONDS)


def _named(settings: Settings, run: Run, name: str) -> Component:
    known = {component.name: component for component in components(settings, run)}
    if name not in known:
        message = f"there is no component {name!r}: choose one of {', '.join(known)}"
        raise SandboxError(message)
    return known[name]


def states(settings: Settings, run: Run) -> tuple[State, ...]:
    """Return the state of every component of the tier, in the order of their start."""
    return tuple(
        State(
            name=component.name,
            pid=(pid := processes.running_pid(settings, component.name)),
            ready=pid is not None and component.probe(),
            log=processes.log_path(settings, component.name),
        )
        for component in components(settings, run)
    )


def _has_service_account(settings: Settings) -> bool:
    return bool(cluster.get(settings, _SERVICE_ACCOUNT))


def _wait(settings: Settings, description: str, condition: Callable[[Settings], bool]) -> None:
    processes.wait_until(description, lambda: condition(settings), START_SECONDS)
