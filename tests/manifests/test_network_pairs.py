"""Who reaches whom, for every kind of plan, as a maintained analyzer computes it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any, cast

import pytest

from tests.manifests.network_pairs import ADDRESSES, OUTSIDE, open_pairs, pods_of, policies_of
from tests.program.recording import Recording, run_stack_file

PLAIN: dict[str, Any] = {"autoscaling": {"enabled": False}}
AUTOSCALED: dict[str, Any] = {}
LARGE: dict[str, Any] = {
    **PLAIN,
    "model": "mistral-large-3",
    "preset": "nvidia-h100-8",
    "multiNode": {"maxNodes": 2},
}
TOKENS: dict[str, Any] = {
    "host": "llm.example.com",
    "auth": {
        "kind": "oidc",
        "issuer": "https://login.example.com:8443",
        "clientId": "llm",
        "secretName": "llm-client",
    },
}
KINDS: dict[str, dict[str, Any]] = {
    "plain": PLAIN,
    "autoscaled": AUTOSCALED,
    "several nodes": LARGE,
    "storage none": {**PLAIN, "cache": {"storage": "none"}},
    "named clients": {
        **AUTOSCALED,
        "network": {
            "clients": [
                {"namespace": "research", "podLabels": {"app": "notebook"}},
                {"cidr": "192.0.2.0/24"},
            ]
        },
    },
    "closed": {
        **PLAIN,
        "ingress": {"enabled": False},
        "network": {"monitoringNamespaces": []},
    },
    "gateway": {
        **PLAIN,
        "ingress": {
            "host": "llm.example.com",
            "kind": "gateway",
            "gateway": {"name": "public", "namespace": "gateways"},
        },
    },
    "gateway of Traefik": {
        **PLAIN,
        "ingress": {
            "host": "llm.example.com",
            "kind": "gateway",
            "controller": "traefik",
            "gateway": {"name": "public", "namespace": "gateways"},
        },
    },
    "tokens": {**AUTOSCALED, "ingress": TOKENS},
    "tokens by address": {
        **PLAIN,
        "ingress": TOKENS,
        "network": {
            "ingressNamespaces": [],
            "clients": [{"cidr": "192.0.2.0/24"}, {"namespace": "research"}],
        },
    },
    "elsewhere": {
        **PLAIN,
        "extraEnv": {"HF_ENDPOINT": "https://mirror.example.com:8443"},
        "network": {
            "ingressNamespaces": ["gateways", "elsewhere"],
            "monitoringNamespaces": ["research"],
            "egressCidrs": ["192.0.2.0/24"],
            "dns": {"namespace": "kube-system", "cidrs": ["169.254.20.10/32"], "port": 5353},
        },
    },
}


def pairs(*rows: tuple[str, str, str]) -> frozenset[str]:
    """Every pair of rows that name several sources, targets and ports, apart by blanks."""
    return frozenset(
        f"{source} -> {target}: {port.replace('/', ' ')}"
        for sources, targets, ports in rows
        for source in sources.split()
        for target in targets.split()
        for port in ports.split()
    )


ANYBODY = " ".join((*OUTSIDE, *ADDRESSES))
SERVERS = "server server2"
NAMES = (f"{SERVERS} download", "dns", "TCP/53 UDP/53")
FILES = ("download", ANYBODY, "TCP/443")
OPEN = {
    "plain": pairs(NAMES, FILES, ("controller prometheus", SERVERS, "TCP/8000")),
    "autoscaled": pairs(NAMES, FILES, ("interceptor prometheus", SERVERS, "TCP/8000")),
    "several nodes": pairs(
        ("server worker download", "dns", "TCP/53 UDP/53"),
        FILES,
        ("controller prometheus", "server worker", "TCP/8000"),
    )
    | {"server -> worker: every port", "worker -> server: every port"},
    "storage none": pairs(
        (SERVERS, "dns", "TCP/53 UDP/53"),
        (SERVERS, ANYBODY, "TCP/443"),
        ("controller prometheus", SERVERS, "TCP/8000"),
    ),
    "named clients": pairs(
        NAMES, FILES, ("interceptor prometheus notebook office", SERVERS, "TCP/8000")
    ),
    "closed": pairs(NAMES, FILES),
    "gateway": pairs(NAMES, FILES, ("gateway prometheus", SERVERS, "TCP/8000")),
    "gateway of Traefik": pairs(NAMES, FILES, ("controller prometheus", SERVERS, "TCP/8000")),
    "tokens by address": pairs(
        (f"{SERVERS} download authentication", "dns", "TCP/53 UDP/53"),
        FILES,
        ("office prometheus notebook colleague", SERVERS, "TCP/8000"),
        ("office", "authentication", "TCP/4180"),
        ("authentication", ANYBODY, "TCP/443 TCP/8443"),
    ),
    "tokens": pairs(
        (f"{SERVERS} download authentication", "dns", "TCP/53 UDP/53"),
        FILES,
        ("interceptor prometheus", SERVERS, "TCP/8000"),
        ("controller", "authentication", "TCP/4180"),
        ("authentication", ANYBODY, "TCP/443 TCP/8443"),
    ),
    "elsewhere": pairs(
        (f"{SERVERS} download", "dns cache", "TCP/5353 UDP/5353"),
        ("download", "office", "TCP/443 TCP/8443"),
        ("gateway stranger notebook colleague", SERVERS, "TCP/8000"),
    ),
}
"""All that is open: what is not named here is closed, on every port."""


def recorded(kind: str) -> Recording:
    return run_stack_file("dev", KINDS[kind])


def mutants(policies: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Each policy, rule, peer and port left out, and each limit of a rule lifted."""
    for index, policy in enumerate(policies):
        role = policy["metadata"]["name"]
        yield f"no {role}", [*policies[:index], *policies[index + 1 :]]
        for direction, limits in (("ingress", ("from", "ports")), ("egress", ("to", "ports"))):
            for number, rule in enumerate(policy["spec"].get(direction, [])):
                place = (direction, number)
                yield f"{role} {place}", without(policies, (index, *place))
                for limit in limits:
                    listed = rule.get(limit, [])
                    if listed:
                        yield (
                            f"{role} {place} any {limit}",
                            without(policies, (index, *place, limit)),
                        )
                    for which in range(len(listed) if len(listed) > 1 else 0):
                        where = (index, *place, limit, which)
                        yield f"{role} {place} {limit} {which}", without(policies, where)


def without(policies: list[dict[str, Any]], where: tuple[Any, ...]) -> list[dict[str, Any]]:
    """The policies but for what stands at the place: a policy's index, then keys of its spec."""
    copies = copy.deepcopy(policies)
    *path, last = where[1:]
    holder = reduce(lambda inner, key: inner[key], path, cast("Any", copies[where[0]]["spec"]))
    del holder[last]
    return copies


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_open_is_exactly_what_the_kind_of_plan_needs(kind: str, tmp_path: Path) -> None:
    recording = recorded(kind)
    policies, pods = policies_of(recording), pods_of(recording)
    assert open_pairs({"plan": policies}, pods, tmp_path) == {"plan": OPEN[kind]}


@pytest.mark.parametrize("kind", ["several nodes", "tokens", "elsewhere"])
def test_each_rule_is_needed_and_each_of_its_limits_counts(kind: str, tmp_path: Path) -> None:
    recording = recorded(kind)
    policies, pods = policies_of(recording), pods_of(recording)
    changed = dict(mutants(policies))
    spaces = {f"mutant-{number}": name for number, name in enumerate(changed)}
    found = open_pairs({space: changed[name] for space, name in spaces.items()}, pods, tmp_path)
    assert [spaces[space] for space in found if found[space] == OPEN[kind]] == []


def test_without_policies_everybody_reaches_everything(tmp_path: Path) -> None:
    recording = run_stack_file("dev", {**PLAIN, "network": {"enabled": False}})
    assert policies_of(recording) == []
    found = open_pairs({"plan": []}, pods_of(recording), tmp_path)["plan"]
    assert {"stranger -> server: every port", "server -> internet: every port"} <= found
