"""The app's NetworkPolicies as records: who may talk to whom, on which ports, and what for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from planning.names import Component, Pairs

INTERCEPTOR_KEY = "autoscaling.interceptor.namespace"
"""The key that names where the interceptor is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Pods of a namespace, the app's own where none is named, or a range of addresses."""

    namespace: str | None = None
    pod_labels: Pairs = ()
    cidr: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port of the receiving pod."""

    number: int
    protocol: Literal["TCP", "UDP"] = "TCP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is open, and for what: no peers stand for all, no ports for every port."""

    purpose: str
    peers: tuple[Peer, ...]
    ports: tuple[Port, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All that may reach the pods of a component and be reached by them; None is the whole app."""

    role: str
    component: Component | None
    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedNamespace:
    """A namespace that the server waits for requests from, and the key that names it."""

    name: str
    key: str

    @property
    def of_interceptor(self) -> bool:
        """Whether the KEDA HTTP add-on is expected there."""
        return self.key == INTERCEPTOR_KEY


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPlan:
    """The app's policies, and the namespaces without which nobody gets in."""

    policies: tuple[Policy, ...]
    namespaces: tuple[NamedNamespace, ...]
