"""The table of what the NetworkPolicies open, read from the plans themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from planning.names import Names
from planning.network import plan_network
from planning.network_rules import Peer, Policy, Port, Rule
from settings.models import StackSettings

_HEADER = ("pods", "direction", "whom", "ports", "what for")
_EVERY_PORT = "every port"
_LARGE = 2
"""Nodes of a replica, so that the rule of several is there."""

_KEYS: dict[str, Any] = {
    "model": "any",
    "presets": [],
    "ingress": {
        "host": "llm.example.com",
        "auth": {"kind": "oidc", "issuer": "https://login.example.com", "clientId": "llm"},
    },
    "network": {"clients": [{"namespace": "lab"}]},
}


def network_table() -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Give header and rows: what is open for stacks of every kind, each rule once."""
    scaled = _KEYS | {"autoscaling": {"enabled": True}}
    uncached = _KEYS | {"cache": {"storage": "none"}}
    rows = [row for keys in (_KEYS, scaled, uncached) for row in _rows(keys)]
    return _HEADER, sorted(dict.fromkeys(rows), key=_order)


def _order(row: tuple[str, ...]) -> tuple[int, str, bool]:
    pods = ("every pod", "server", "download", "authentication")
    return pods.index(row[0]), row[1], row[3] == _EVERY_PORT


def _rows(keys: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    names = Names(app="vllm", namespace="llm", stack="any")
    network = plan_network(names, StackSettings.model_validate(keys), nodes=_LARGE)
    for policy in network.policies if network else ():
        yield from (_row(policy, "from", rule) for rule in policy.ingress)
        yield from (_row(policy, "to", rule) for rule in policy.egress)


def _row(policy: Policy, direction: str, rule: Rule) -> tuple[str, ...]:
    return (
        policy.component or "every pod",
        direction,
        ", ".join(_peer(peer) for peer in rule.peers) or "any address",
        ", ".join(_port(port) for port in rule.ports) or _EVERY_PORT,
        rule.purpose,
    )


def _peer(peer: Peer) -> str:
    if peer.namespace:
        return f"namespace `{peer.namespace}`"
    return peer.cidr or "one another"


def _port(port: Port) -> str:
    return f"{port.protocol} {port.number}"
