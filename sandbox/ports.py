"""Which ports a sandbox needs on this machine, and who holds one that is taken."""

import contextlib
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.state import Ports, Run, SandboxError

_LISTENING = "0A"  # TCP_LISTEN as /proc/net/tcp writes it


@dataclass(frozen=True, kw_only=True)
class Route:
    """A port of 127.0.0.1 on this machine that leads to one inside the namespace."""

    name: str
    outside: int
    inside: int
    purpose: str


def routes(ports: Ports) -> tuple[Route, ...]:
    """Return the ways into the namespace."""
    return (
        Route(
            name="apiserver",
            outside=ports.apiserver,
            inside=ports.apiserver,
            purpose="kube-apiserver",
        ),
        Route(name="ingress", outside=ports.ingress, inside=ports.ingress, purpose="Traefik"),
        Route(
            name="ingress-tls",
            outside=ports.ingress_tls,
            inside=ports.ingress_tls,
            purpose="Traefik's TLS",
        ),
        Route(
            name="stand-in-control",
            outside=ports.stand_in_control,
            inside=ports.stand_in_control,
            purpose="the model stand-in's control",
        ),
        Route(
            name="prometheus",
            outside=ports.prometheus,
            inside=ports.prometheus,
            purpose="Prometheus",
        ),
        Route(
            name="interceptor",
            outside=ports.interceptor,
            inside=ports.interceptor_proxy,
            purpose="the HTTP add-on's interceptor",
        ),
    )


def needed(ports: Ports, run: Run) -> Mapping[int, str]:
    """Return the ports that a run takes on this machine, and what for."""
    control_plane = {
        ports.etcd: "etcd",
        ports.etcd_peer: "etcd's peers",
        ports.apiserver: "kube-apiserver",
        ports.controller_manager: "kube-controller-manager",
        ports.scheduler: "kube-scheduler",
        ports.kwok: "kwok",
    }
    if run.mode == "namespace":
        return {route.outside: route.purpose for route in routes(ports)}
    if run.tier == "core":
        return control_plane
    metrics = {ports.prometheus: "Prometheus"} if run.prometheus else {}
    return (
        control_plane
        | metrics
        | {
            ports.keda_adapter: "keda-adapter",
            ports.keda_grpc: "keda-operator's metrics service",
            ports.keda_operator_metrics: "keda-operator's metrics",
            ports.keda_operator_health: "keda-operator's health",
            ports.keda_adapter_metrics: "keda-adapter's metrics",
            ports.keda_webhooks: "keda-webhooks",
            ports.keda_webhooks_health: "keda-webhooks' health",
            ports.http_operator_health: "http-add-on-operator's health",
            ports.interceptor_admin: "the HTTP add-on's interceptor",
            ports.interceptor_metrics: "the HTTP add-on's interceptor",
            ports.scaler_metrics: "the HTTP add-on's scaler",
            ports.interceptor_proxy: "the HTTP add-on's interceptor",
            ports.external_scaler: "the HTTP add-on's scaler",
            ports.ingress: "Traefik",
            ports.ingress_tls: "Traefik's TLS",
            ports.ingress_ping: "Traefik's health",
            ports.lws_webhooks: "lws's webhooks",
            ports.lws_health: "lws's health",
        }
    )


def require_free(wanted: Mapping[int, str]) -> None:
    """Check that the ports can be listened on.

    Raises:
        SandboxError: One is taken; the message names it, its holder and the remedy.
    """
    for port, purpose in wanted.items():
        if _is_free(port):
            continue
        holder = _holder(port) or "another process"
        message = (
            f"port {port} for {purpose} is taken by {holder}: "
            "stop that process, or set SANDBOX_PORT_BASE to the first of 63 free ports"
        )
        raise SandboxError(message)


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        # Connections of an earlier run that linger are no obstacle to its successor.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
            candidate.listen()
        except OSError:
            return False
    return True


def _holder(port: int) -> str | None:
    """Name the process that listens on a port, where /proc tells."""
    inodes = {
        f"socket:[{fields[9]}]"
        for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
        if table.exists()
        for fields in (line.split() for line in table.read_text().splitlines()[1:])
        if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port
    }
    for process in Path("/proc").glob("[0-9]*") if inodes else ():
        if not inodes.isdisjoint(_open_files(process)):
            with contextlib.suppress(OSError):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return None


def _open_files(process: Path) -> set[str]:
    """Name what a process has open; it may be another user's, or end meanwhile."""
    found: set[str] = set()
    with contextlib.suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(str(descriptor.readlink()))
    return found
