"""What is read of the live cluster, as frozen records; the only module that calls its API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from lightkube import Client, generic_resource
from lightkube.core.exceptions import ApiError
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apiregistration_v1 import APIService
from lightkube.resources.core_v1 import Event, Namespace, Node, PersistentVolumeClaim, Pod
from lightkube.utils.quantity import parse_quantity

from planning.names import ENFORCE, RETAIN, STACK
from planning.volumes import HeldClaim

_NOT_FOUND = 404
_HTTP_SCALED_OBJECT = cast("Any", generic_resource).create_namespaced_resource(
    "http.keda.sh", "v1alpha1", "HTTPScaledObject", "httpscaledobjects"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedNode:
    """A node: its labels, the keys of taints that keep pods away, and what it can still give."""

    name: str
    labels: dict[str, str]
    taints: tuple[str, ...]
    allocatable: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedPod:
    """A pod: where it is, and what it asks of the scheduler."""

    name: str
    phase: str
    node: str | None
    node_selector: dict[str, str]
    tolerated: tuple[str | None, ...]
    limits: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ObservedEvent:
    """An event of a pod; `last_seen` is in UTC."""

    last_seen: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedNamespace:
    """A namespace: the stack that made it, if one did, and the Pod Security level it enforces."""

    stack: str | None
    enforced: str


def read_nodes(client: Client) -> Iterator[ObservedNode]:
    """Read every node."""
    for node in _listed(client, Node):
        spec, status = node.get("spec", {}), node.get("status", {})
        taints: list[dict[str, str]] = spec.get("taints") or []
        yield ObservedNode(
            name=node["metadata"]["name"],
            labels=node["metadata"].get("labels") or {},
            taints=tuple(t["key"] for t in taints if t["effect"] != "PreferNoSchedule"),
            allocatable=status.get("allocatable") or {},
        )


def read_pods(client: Client, namespace: str, labels: dict[str, str]) -> Iterator[ObservedPod]:
    """Read the pods of a namespace that carry the labels."""
    for pod in _listed(client, Pod, namespace=namespace, labels=labels):
        spec = pod["spec"]
        limits: dict[str, str] = {}
        tolerations: list[dict[str, str]] = spec.get("tolerations") or []
        for container in spec["containers"]:
            limits |= container.get("resources", {}).get("limits") or {}
        yield ObservedPod(
            name=pod["metadata"]["name"],
            phase=pod.get("status", {}).get("phase", "Unknown"),
            node=spec.get("nodeName"),
            node_selector=spec.get("nodeSelector") or {},
            tolerated=tuple(toleration.get("key") for toleration in tolerations),
            limits=limits,
        )


def read_events(client: Client, namespace: str, pod: str) -> Iterator[ObservedEvent]:
    """Read the events of one pod."""
    of_pod = {"involvedObject.name": pod}
    for event in _listed(client, Event, namespace=namespace, fields=of_pod):
        yield ObservedEvent(
            last_seen=str(event.get("lastTimestamp") or event.get("eventTime") or ""),
            reason=event.get("reason", "Event"),
            message=event.get("message", "").strip(),
        )


def serves(client: Client, definition: str) -> bool:
    """Whether the cluster has a CustomResourceDefinition of this name."""
    try:
        client.get(CustomResourceDefinition, definition)
    except ApiError as error:
        return _absent(error)
    return True


def has_external_metrics(client: Client) -> bool:
    """Whether KEDA's metrics adapter answers, however KEDA was installed."""
    try:
        service = client.get(APIService, "v1beta1.external.metrics.k8s.io")
    except ApiError as error:
        return _absent(error)
    conditions = (service.status.conditions if service.status else None) or []
    return any(c.type == "Available" and c.status == "True" for c in conditions)


def has_http_scaled_object(client: Client, namespace: str, name: str) -> bool:
    """Whether an HTTPScaledObject of this name exists, whose operator owns a ScaledObject."""
    try:
        client.get(_HTTP_SCALED_OBJECT, name, namespace=namespace)
    except ApiError as error:
        return _absent(error)
    return True


def read_claim(client: Client, namespace: str, name: str) -> HeldClaim | None:
    """Read a claim; None where there is none of this name."""
    try:
        claim = client.get(PersistentVolumeClaim, name, namespace=namespace)
    except ApiError as error:
        _absent(error)
        return None
    body: dict[str, Any] = cast("Any", claim).to_dict()
    annotations: dict[str, str] = body["metadata"].get("annotations") or {}
    size: str = body["spec"]["resources"]["requests"]["storage"]
    return HeldClaim(
        name=name,
        size=size,
        size_bytes=quantity_bytes(size),
        storage_class=body["spec"].get("storageClassName"),
        access_modes=tuple(body["spec"].get("accessModes") or ()),
        stack=annotations.get(STACK),
        retain=annotations.get(RETAIN) == "true",
    )


def read_namespace(client: Client, name: str) -> ObservedNamespace | None:
    """Read a namespace; None where there is none of this name."""
    try:
        namespace = client.get(Namespace, name)
    except ApiError as error:
        _absent(error)
        return None
    metadata: dict[str, Any] = cast("Any", namespace).to_dict()["metadata"]
    annotations: dict[str, str] = metadata.get("annotations") or {}
    labels: dict[str, str] = metadata.get("labels") or {}
    return ObservedNamespace(
        stack=annotations.get(STACK), enforced=labels.get(ENFORCE, "privileged")
    )


def quantity_bytes(quantity: str) -> int:
    """Give the bytes of a Kubernetes quantity such as 30Gi."""
    return int(parse_quantity(quantity) or 0)


def _absent(error: ApiError) -> bool:
    if int(error.response.status_code) != _NOT_FOUND:
        raise error
    return False


def _listed(client: Client, kind: type[object], **query: object) -> list[dict[str, Any]]:
    # lightkube leaves the types of maps open; the records above close them.
    api: Any = client
    return [item.to_dict() for item in api.list(kind, **query)]
