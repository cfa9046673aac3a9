"""Where a sandbox keeps its files, which ports it uses, and what it remembers of its last start."""

import fcntl
import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Literal, Self

Tier = Literal["core", "full"]
Mode = Literal["direct", "namespace", "machine"]

REPOSITORY = Path(__file__).resolve().parent.parent
MANIFESTS = Path(__file__).resolve().parent / "manifests"
CONTEXT = "mistral-vllm-sandbox"
# Of the benchmarking range of RFC 2544: never routed, and unlike 127/8 allowed in EndpointSlices.
ALIAS = "198.18.0.1"
# Of the other half of that range: pods' addresses.
POD_NETWORK = IPv4Interface("198.19.0.1/16")
DEFAULT_PORT_BASE = 16440
HIGHEST_OFFSET = 62


class SandboxError(Exception):
    """One message for the user: what is wrong and what to do about it."""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """TCP ports of a sandbox on 127.0.0.1, by purpose."""

    base: int
    etcd: int
    etcd_peer: int
    apiserver: int
    controller_manager: int
    scheduler: int
    kwok: int
    keda_adapter: int
    keda_grpc: int
    keda_operator_metrics: int
    keda_operator_health: int
    keda_adapter_metrics: int
    keda_webhooks: int
    keda_webhooks_health: int
    http_operator_health: int
    interceptor_admin: int
    interceptor_metrics: int
    scaler_metrics: int
    lws_webhooks: int
    lws_health: int
    stand_in_control: int
    prometheus: int
    ingress_tls: int
    ingress: int
    ingress_ping: int
    # Where the interceptor's proxy port is reached from outside the namespace.
    interceptor: int
    # As in the HTTP add-on's Helm chart, since manifests of other programs name these two.
    interceptor_proxy: int = 8080
    external_scaler: int = 9090
    # vLLM's own, on all addresses of the pods.
    model: int = 8000
    dns: int = 53

    @classmethod
    def counted_from(cls, base: int) -> Self:
        """Lay the ports out from the first of 63 consecutive ones."""
        return cls(
            base=base,
            etcd=base,
            etcd_peer=base + 1,
            apiserver=base + 3,
            controller_manager=base + 4,
            scheduler=base + 5,
            kwok=base + 6,
            keda_adapter=base + 10,
            keda_grpc=base + 11,
            keda_operator_metrics=base + 12,
            keda_operator_health=base + 13,
            keda_adapter_metrics=base + 14,
            keda_webhooks=base + 15,
            keda_webhooks_health=base + 16,
            http_operator_health=base + 20,
            interceptor_admin=base + 21,
            interceptor_metrics=base + 22,
            scaler_metrics=base + 23,
            lws_webhooks=base + 30,
            lws_health=base + 31,
            stand_in_control=base + 40,
            prometheus=base + 41,
            ingress_tls=base + 59,
            ingress=base + 60,
            ingress_ping=base + 61,
            interceptor=base + HIGHEST_OFFSET,
        )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the environment asks of a sandbox."""

    directory: Path
    ports: Ports
    hosts: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read SANDBOX_STATE, SANDBOX_PORT_BASE and SANDBOX_HOSTS.

        Raises:
            SandboxError: The port base is no number, or leaves no room for the ports.
        """
        text = environment.get("SANDBOX_PORT_BASE", str(DEFAULT_PORT_BASE))
        highest = 65535 - HIGHEST_OFFSET
        if not text.isascii() or not text.isdigit() or not 1024 <= int(text) <= highest:
            message = (
                f"SANDBOX_PORT_BASE is {text!r}: it must be a number from 1024 to {highest}, "
                f"the first of {HIGHEST_OFFSET + 1} free ports, such as {DEFAULT_PORT_BASE}"
            )
            raise SandboxError(message)
        directory = environment.get("SANDBOX_STATE") or str(REPOSITORY / ".state" / "sandbox")
        return cls(
            directory=Path(directory).absolute(),
            ports=Ports.counted_from(int(text)),
            hosts=tuple(environment.get("SANDBOX_HOSTS", "").split()),
        )

    @property
    def kubeconfig(self) -> Path:
        """Administrator's kubeconfig of this sandbox."""
        return self.directory / "kubeconfig"

    @property
    def pki(self) -> Path:
        """Directory of keys and certificates."""
        return self.directory / "pki"

    @property
    def logs(self) -> Path:
        """Directory with one log per component."""
        return self.directory / "logs"

    @property
    def pids(self) -> Path:
        """Directory with one record per started process."""
        return self.directory / "pids"

    @property
    def etcd_data(self) -> Path:
        """Directory of the cluster's data."""
        return self.directory / "etcd"

    @property
    def sockets(self) -> Path:
        """Directory of the Unix sockets that cross the namespaces."""
        return self.directory / "sockets"

    @property
    def stages(self) -> Path:
        """KWOK's configuration."""
        return self.directory / "kwok.yaml"

    @property
    def lws(self) -> Path:
        """Configuration of the operator of LeaderWorkerSets."""
        return self.directory / "lws.yaml"

    @property
    def prometheus(self) -> Path:
        """Configuration of Prometheus."""
        return self.directory / "prometheus.yaml"

    @property
    def prometheus_data(self) -> Path:
        """Directory of Prometheus' data."""
        return self.directory / "prometheus"

    @property
    def run_file(self) -> Path:
        """Record of the last start."""
        return self.directory / "run.json"

    @property
    def hosts_file(self) -> Path:
        """File that is /etc/hosts inside the namespace."""
        return self.directory / "hosts"

    @property
    def resolver_file(self) -> Path:
        """File that is /etc/resolv.conf inside the namespace."""
        return self.directory / "resolv.conf"

    def prepare(self) -> None:
        """Make the directories, closed to other users."""
        for directory in (self.directory, self.logs, self.pids, self.sockets):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)


# What a sandbox may leave in its state directory; nothing else there is ever removed.
OWN_ENTRIES = (
    "etcd",
    "hosts",
    "kubeconfig",
    "kubectl-cache",
    "kwok.yaml",
    "lock",
    "logs",
    "lws.yaml",
    "pids",
    "pki",
    "prometheus",
    "prometheus.yaml",
    "resolv.conf",
    "run.json",
    "sockets",
)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What was started last: later commands act on this, not on what the environment says then."""

    tier: Tier
    mode: Mode
    address: str
    port_base: int
    prometheus: bool = False


def read_run(settings: Settings) -> Run | None:
    """Return the record of the last start, None when there was none."""
    try:
        return Run(**json.loads(settings.run_file.read_text()))
    except FileNotFoundError:
        return None


def write_run(settings: Settings, run: Run) -> None:
    """Remember a start before its first process exists, so that a failed one can be stopped."""
    path = settings.run_file
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(asdict(run), indent=1) + "\n")
    draft.rename(path)


@contextmanager
def exclusive(settings: Settings) -> Generator[None]:
    """Let one start or stop at a time work on a state directory; others wait for it."""
    settings.prepare()
    with (settings.directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
