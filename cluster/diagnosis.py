"""Why an app's pods do not run, as the scheduler and the kubelet said it: Pulumi prints neither."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from lightkube import Client

from cluster.observed import (
    ObservedEvent,
    ObservedNode,
    ObservedPod,
    read_events,
    read_makers,
    read_nodes,
    read_pods,
    read_scaled_object,
)
from cluster.room import lacking
from cluster.scaling_diagnosis import scaler_lines
from cluster.taints import untolerated
from planning.names import Names, app_selector

_NOT_MADE = "FailedCreate"
_GPU_RESOURCES = ("amd.com/gpu", "nvidia.com/gpu")
_MIG = "nvidia.com/mig-"
_PRODUCT_LABELS = ("nvidia.com/gpu.product", "amd.com/gpu.product-name")


def diagnose(client: Client, names: Names) -> list[str]:
    """Describe the app's pods, their events, the pools that a pending one could use, and scaling.

    Args:
        client: a client of the app's cluster.
        names: of the app.
    """
    # The server's pods, and those of the download before it.
    namespace, labels = names.namespace, app_selector(names)
    pods = sorted(read_pods(client, namespace, labels), key=lambda pod: pod.name)
    makers = sorted(read_makers(client, namespace, labels))
    lines = list(refused_lines({name: read_events(client, namespace, name) for name in makers}))
    lines += scaler_lines(read_scaled_object(client, namespace, names.app))
    if not pods:
        return [*lines, f"namespace {namespace} has no pod of {names.app}"]
    for pod in pods:
        lines.append(f"pod {pod.name}: {pod.phase}" + (f" on {pod.node}" if pod.node else ""))
        lines += [f"  {line}" for line in event_lines(read_events(client, namespace, pod.name))]
    waiting = next((pod for pod in pods if pod.node is None), None)
    return [*lines, *pool_lines(waiting, read_nodes(client))] if waiting else lines


def refused_lines(events: Mapping[str, Iterable[ObservedEvent]]) -> Iterator[str]:
    """Say which pods were never made, and why: a quota, a limit, a policy of the namespace.

    Args:
        events: of what makes pods, by its name.
    """
    for maker, seen in events.items():
        refused = [line for line in event_lines(seen) if line.startswith(f"{_NOT_MADE}: ")]
        # One message for each try, which differ by the name of the pod alone.
        yield from (f"{maker}: {line}" for line in refused[-1:])


def event_lines(events: Iterable[ObservedEvent]) -> Iterator[str]:
    """Give each distinct event once, in the order of its last sight."""
    latest: dict[tuple[str, str], None] = {}
    for event in sorted(events):
        latest.pop((event.reason, event.message), None)
        latest[event.reason, event.message] = None
    return (f"{reason}: {message}" for reason, message in latest)


def pool_lines(pod: ObservedPod, nodes: Iterable[ObservedNode]) -> Iterator[str]:
    """Name the pools that offer what the pod asks, with what keeps the pod from each."""
    given = (name for name in pod.limits if name in _GPU_RESOURCES or name.startswith(_MIG))
    resource = next(given, None)
    count = int(pod.limits[resource]) if resource else 1
    asked = (resource,) if resource else _GPU_RESOURCES
    what = f"{count} {resource}" if resource else "GPUs"
    full = "matches, but has none free" if resource else "matches"
    pools: Counter[tuple[str, str, str]] = Counter()
    for node in nodes:
        offered = max(int(node.allocatable.get(name, "0")) for name in asked)
        if offered >= count:
            pools[_product(node), str(offered), _obstacle(node, pod)] += 1
    if not pools:
        yield f"no node offers {what}"
        return
    yield f"pools that offer {what}:"
    for (product, offered, obstacle), number in sorted(pools.items()):
        size = f"{number} node{'s' if number > 1 else ''} of {offered}"
        yield f"  {product} ({size}): {obstacle or full}"


def _obstacle(node: ObservedNode, pod: ObservedPod) -> str:
    asked = [pod.node_selector | term for term in pod.node_terms or ({},)]
    differing = [_differing(node, labels) for labels in asked]
    if "" not in differing:
        key = differing[0]
        values = (labels[key] for labels in asked if key in labels)
        wanted = " or ".join(dict.fromkeys(values))
        return f"{key} is {node.labels.get(key, 'unset')}, the pod asks for {wanted}"
    for taint in untolerated(node.taints, pod.tolerated):
        return f"the pod does not tolerate its taint {taint}"
    sizes = {name: pod.requests[name] for name in ("cpu", "memory") if name in pod.requests}
    for name in lacking(node, sizes):
        given = node.allocatable.get(name, "0")
        return f"gives pods {name} {given}, the pod asks for {sizes[name]}"
    return ""


def _differing(node: ObservedNode, labels: dict[str, str]) -> str:
    """Name the first label that the node has not so; empty where it has them all."""
    return next((key for key in sorted(labels) if node.labels.get(key) != labels[key]), "")


def _product(node: ObservedNode) -> str:
    return next((node.labels[key] for key in _PRODUCT_LABELS if key in node.labels), "unlabelled")
