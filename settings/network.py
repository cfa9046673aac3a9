"""Who may talk to the app's pods, and to whom they may talk: the keys of `network`."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from settings.mistakes import Mistake
from settings.values import DnsLabel, Section, Text, rule
from settings.variables import HUB_ENDPOINT, PROXIES, SecretEntry, Variables

HUB_VARIABLES = (
    HUB_ENDPOINT,
    *PROXIES,
)
"""Variables of `extraEnv` that lead huggingface_hub elsewhere than to port 443 of the Hub."""

_DEFAULT_PORTS = {"https": 443, "http": 80, "socks5": 1080, "socks5h": 1080}


def _check_cidr(value: str) -> str:
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        network = None
    if network is None or str(network) != value:
        raise rule(
            "is a range of addresses in canonical form",
            remedy="write it like 10.0.0.0/8 or 192.0.2.7/32",
        )
    return value


Cidr = Annotated[str, AfterValidator(_check_cidr)]


class Client(Section):
    """Somebody inside the cluster, or at known addresses, who calls the server directly."""

    namespace: DnsLabel | None = Field(default=None, description="where its pods are")
    pod_labels: dict[str, Text] = Field(
        default={}, description="of its pods; default: every pod of the namespace"
    )
    cidr: Cidr | None = Field(
        default=None,
        description="instead of a namespace: addresses, as those of a load balancer or of pods in "
        "the network of their nodes",
    )


class Dns(Section):
    """Where the app's pods resolve names."""

    namespace: DnsLabel = Field(default="kube-system", description="of the cluster's DNS server")
    cidrs: tuple[Cidr, ...] = Field(
        default=(), description="its addresses where it is no pod, as 169.254.20.10/32 of a cache"
    )
    port: int = Field(default=53, ge=1, le=65535, description="on which its pods listen")


class Network(Section):
    """NetworkPolicies of the app's pods."""

    enabled: bool = Field(default=True, description="NetworkPolicies for all pods of the app")
    ingress_namespaces: tuple[DnsLabel, ...] | None = Field(
        default=None,
        description="of the ingress controller; default: `[traefik]`, or that of a Gateway which "
        "Traefik does not serve",
    )
    monitoring_namespaces: tuple[DnsLabel, ...] | None = Field(
        default=None, description="which read `/metrics`; default: `[monitoring]`"
    )
    clients: tuple[Client, ...] = Field(
        default=(), description="who calls the server past the ingress"
    )
    dns: Dns = Dns()
    egress_cidrs: tuple[Cidr, ...] = Field(
        default=(),
        description="of the Hub, its mirror or a proxy, and of an OpenID Connect issuer; default: "
        "any address",
    )


def endpoint_port(address: str) -> int | None:
    """Give the TCP port of a URL or of `host:port`; None where there is none to be read."""
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        return (parts.port or _DEFAULT_PORTS.get(parts.scheme)) if parts.hostname else None
    except ValueError:
        return None


def network_mistakes(
    network: Network, extra_env: Variables, *, called_by_controller: bool
) -> Iterator[Mistake]:
    """Find what contradicts itself among the keys of `network`, and addresses it cannot read.

    Args:
        network: what was parsed.
        extra_env: variables of the container.
        called_by_controller: whether an ingress controller itself calls the server.
    """
    nobody = network.ingress_namespaces == () and not network.clients
    if network.enabled and called_by_controller and nobody:
        yield Mistake(
            key="network.ingressNamespaces",
            wrong="is empty while ingress.enabled is true",
            rule="the ingress would lead to a server that refuses its controller",
            remedy="name the controller's namespace, or its addresses in network.clients",
        )
    yield from _client_mistakes(network.clients)
    for name in HUB_VARIABLES if network.enabled else ():
        value = extra_env.get(name, "https://huggingface.co")
        # The value may hold a password, so it is not shown.
        if isinstance(value, SecretEntry) or endpoint_port(value) is None:
            yield Mistake(
                key=f"extraEnv.{name}",
                wrong="holds no address with a port that can be read",
                rule="the NetworkPolicy opens that port for downloads, and no other",
                remedy="write it as https://host:port, or set network.enabled to false",
            )


def _client_mistakes(clients: tuple[Client, ...]) -> Iterator[Mistake]:
    for index, client in enumerate(clients):
        if (client.namespace is None) == (client.cidr is None):
            yield Mistake(
                key=f"network.clients[{index}]",
                wrong=f"has {'no' if client.cidr is None else 'a'} namespace and "
                f"{'no' if client.cidr is None else 'a'} cidr",
                rule="a client is either pods of a namespace or a range of addresses",
                remedy="set exactly one of the two",
            )
        elif client.cidr and client.pod_labels:
            yield Mistake(
                key=f"network.clients[{index}].podLabels",
                wrong=f"is set beside cidr {client.cidr}",
                rule="addresses have no labels",
                remedy="remove podLabels, or name a namespace instead of cidr",
            )
