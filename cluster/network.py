"""What the cluster says about the planned NetworkPolicies."""

from __future__ import annotations

from collections.abc import Iterable

from planning.network_rules import NamedNamespace


def namespace_warnings(absent: Iterable[NamedNamespace]) -> tuple[str, ...]:
    """Say in one warning which namespaces that callers are expected in do not exist."""
    named = [f"{namespace.name} ({namespace.key})" for namespace in absent]
    if not named:
        return ()
    return (
        f"network: this cluster has no namespace {' and no '.join(named)}, so nobody reaches the "
        "server from there; name the one that the callers' pods are in",
    )
