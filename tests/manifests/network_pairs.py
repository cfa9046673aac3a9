"""Who reaches whom under a plan's NetworkPolicies, computed by the Network Config Analyzer."""

from __future__ import annotations

import copy
import ipaddress
import json
import re
import subprocess
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.program.recording import Recording
from tools.locate import program

APP_NAMESPACE = "llm"

OUTSIDE = {
    "controller": ("traefik", {"app.kubernetes.io/name": "traefik"}),
    "gateway": ("gateways", {"app": "gateway"}),
    "interceptor": ("keda", {"app.kubernetes.io/name": "http-add-on"}),
    "prometheus": ("monitoring", {"app.kubernetes.io/name": "prometheus"}),
    "dns": ("kube-system", {"k8s-app": "kube-dns"}),
    "notebook": ("research", {"app": "notebook"}),
    "colleague": ("research", {"app": "other"}),
    "stranger": ("elsewhere", {"app": "vllm"}),
    # Without the labels of the app, though in its namespace.
    "neighbour": (APP_NAMESPACE, {"app": "neighbour"}),
}
"""Pods that are none of the app's: namespace and labels by name."""

ADDRESSES = {"internet": "8.8.8.8", "office": "192.0.2.7", "cache": "169.254.20.10"}
"""Addresses outside the cluster."""

Pairs = frozenset[str]
"""What is open, as `from -> to: protocol port`; all else is closed."""

_LINE = re.compile(r"^(?P<source>\S+) => (?P<target>\S+) : (?P<ports>.+)$")
_PORTS = re.compile(r"\{protocols:(?P<protocols>[\w, ]+),dst_ports:(?P<ports>[\d,-]+)\}")


def policies_of(recording: Recording) -> list[dict[str, Any]]:
    """The policies that the program asked for, as they go to the cluster."""
    return [whole_numbers(request.inputs) for request in recording.of_type(":NetworkPolicy")]


def pods_of(recording: Recording) -> dict[str, dict[str, str]]:
    """The labels of the app's pods by name, from the templates that the program asked for."""
    templates: dict[str, dict[str, Any]] = {}
    for request in (*recording.of_type(":Deployment"), *recording.of_type(":Job")):
        metadata = request.inputs["spec"]["template"]["metadata"]
        templates[metadata["labels"]["app.kubernetes.io/component"]] = metadata
    for request in recording.of_type(":LeaderWorkerSet"):
        group = request.inputs["spec"]["leaderWorkerTemplate"]
        templates["server"] = group["leaderTemplate"]["metadata"]
        templates["worker"] = group["workerTemplate"]["metadata"]
    if "worker" not in templates:
        templates["server2"] = templates["server"]
    return {name: metadata["labels"] for name, metadata in templates.items()}


def open_pairs(
    variants: Mapping[str, list[dict[str, Any]]], pods: Mapping[str, dict[str, str]], folder: Path
) -> dict[str, Pairs]:
    """Compute what is open from or to the app's pods, for each variant of its policies.

    One run of the analyzer answers for all variants: each has a namespace of its own.
    """
    documents = [d for name in variants for d in _app(name, variants[name], pods)]
    documents += [d for n, (space, labels) in OUTSIDE.items() for d in _pod(n, space, labels)]
    documents += [_namespace(name) for name in {space for space, _ in OUTSIDE.values()}]
    file = folder / "cluster.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    flags = ["--output_format", "txt_no_fw_rules", "--output_endpoints", "pods"]
    command = [str(program("nca")), "--connectivity", "--resource_list", str(file), *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {name: set[str]() for name in variants}
    for line in done.stdout.splitlines():
        if match := _LINE.match(line):
            _sort_in(match, found, pods)
    return {name: frozenset(pairs) for name, pairs in found.items()}


def _sort_in(match: re.Match[str], found: dict[str, set[str]], pods: Collection[str]) -> None:
    spaces = {end.partition("/")[0] for end in (match["source"], match["target"])} & set(found)
    if len(spaces) != 1:
        # Two strangers, or two variants, which no cluster has side by side.
        return
    (space,) = spaces
    found[space] |= {
        f"{source} -> {target}: {port}"
        for source in _names(match["source"])
        for target in _names(match["target"])
        for port in _ports(match["ports"])
        if {source, target} & set(pods)
    }


def _names(end: str) -> list[str]:
    if "/" in end:
        return [end.partition("/")[2]]
    ranges = [part.split("-") for part in end.split(",")]
    return [
        name
        for name, address in ADDRESSES.items()
        for first, *last in ranges
        if int(ipaddress.ip_address(first))
        <= int(ipaddress.ip_address(address))
        <= int(ipaddress.ip_address((last or [first])[0]))
    ]


def _ports(text: str) -> list[str]:
    if text == "All connections":
        return ["every port"]
    found = [
        f"{protocol.strip()} {port}"
        for match in _PORTS.finditer(text)
        for protocol in match["protocols"].split(",")
        for port in match["ports"].split(",")
    ]
    assert found, f"the analyzer wrote ports in a way that is not read here: {text}"
    return found


def _app(
    space: str, policies: Iterable[dict[str, Any]], pods: Mapping[str, dict[str, str]]
) -> Iterable[dict[str, Any]]:
    yield _namespace(space)
    for policy in policies:
        moved = copy.deepcopy(policy)
        moved["metadata"]["namespace"] = space
        yield moved
    own = {n: labels for n, (home, labels) in OUTSIDE.items() if home == APP_NAMESPACE}
    for name, labels in {**pods, **own}.items():
        yield from _pod(name, space, labels)


def _pod(name: str, space: str, labels: Mapping[str, str]) -> Iterable[dict[str, Any]]:
    yield {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": space, "labels": dict(labels)},
        "spec": {"containers": [{"name": "only", "image": "example.com/only:1"}]},
    }


def _namespace(name: str) -> dict[str, Any]:
    # As the API server labels it.
    metadata = {"name": name, "labels": {"kubernetes.io/metadata.name": name}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def whole_numbers(inputs: dict[str, Any]) -> dict[str, Any]:
    """Undo that every number on the wire is a float."""
    return json.loads(json.dumps(inputs), parse_float=lambda text: int(float(text)))
