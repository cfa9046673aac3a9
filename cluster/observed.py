"""What is read of the live cluster, as frozen records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from lightkube import Client, generic_resource
from lightkube.resources.apps_v1 import Deployment, ReplicaSet, StatefulSet
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import Event, Namespace, Node, PersistentVolumeClaim, Pod
from lightkube.resources.networking_v1 import IngressClass
from lightkube.utils.quantity import parse_quantity

from cluster.objects import read_object as _found
from cluster.objects import read_objects as _listed
from cluster.objects import unless_forbidden
from cluster.taints import Taint
from planning.names import ENFORCE, PART_OF, RETAIN, STACK
from planning.plan import Toleration
from planning.volumes import HeldClaim

_GENERIC = cast("Any", generic_resource)
_GATEWAY = _GENERIC.create_namespaced_resource(
    "gateway.networking.k8s.io", "v1", "Gateway", "gateways"
)
_ISSUER = _GENERIC.create_namespaced_resource("cert-manager.io", "v1", "Issuer", "issuers")
_CLUSTER_ISSUER = _GENERIC.create_global_resource(
    "cert-manager.io", "v1", "ClusterIssuer", "clusterissuers"
)
_SCALED_OBJECT = _GENERIC.create_namespaced_resource(
    "keda.sh", "v1alpha1", "ScaledObject", "scaledobjects"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedNode:
    """A node: its labels, the taints that keep pods away, and what it can still give."""

    name: str
    labels: dict[str, str]
    taints: tuple[Taint, ...]
    allocatable: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedPod:
    """A pod: where it is, and what it asks of the scheduler.

    `node_terms` are the labels of nodes that its node affinity requires, any one entry of them.
    """

    name: str
    phase: str
    node: str | None
    node_selector: dict[str, str]
    tolerated: tuple[Toleration, ...]
    limits: dict[str, str]
    node_terms: tuple[dict[str, str], ...] = ()
    requests: dict[str, str] = field(default_factory=dict[str, str])


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedListener:
    """A listener of a Gateway; `protocol` such as HTTP or HTTPS, `routes_from` All, Same, ..."""

    name: str
    protocol: str
    hostname: str | None
    routes_from: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedScaler:
    """An object that scales a Deployment.

    `owner` is the kind and name of the object that made it, if one did, and `ours` whether this
    program did, itself or by such an object.
    """

    kind: str
    name: str
    owner: tuple[str, str] | None
    ours: bool


def read_nodes(client: Client) -> Iterator[ObservedNode]:
    """Read what can be scheduled where; a taint that only prefers is left out."""
    for node in _listed(client, Node):
        spec, status = node.get("spec", {}), node.get("status", {})
        taints: list[dict[str, str]] = spec.get("taints") or []
        yield ObservedNode(
            name=node["metadata"]["name"],
            labels=node["metadata"].get("labels") or {},
            taints=tuple(
                Taint(key=each["key"], value=each.get("value", ""), effect=each["effect"])
                for each in taints
                if each["effect"] != "PreferNoSchedule"
            ),
            allocatable=status.get("allocatable") or {},
        )


def read_pods(client: Client, namespace: str, labels: dict[str, str]) -> Iterator[ObservedPod]:
    """Read the pods of a namespace that carry the labels."""
    for pod in _listed(client, Pod, namespace=namespace, labels=labels):
        spec = pod["spec"]
        limits: dict[str, str] = {}
        requests: dict[str, str] = {}
        tolerations: list[dict[str, Any]] = spec.get("tolerations") or []
        for container in spec["containers"]:
            limits |= container.get("resources", {}).get("limits") or {}
            requests |= container.get("resources", {}).get("requests") or {}
        yield ObservedPod(
            name=pod["metadata"]["name"],
            phase=pod.get("status", {}).get("phase", "Unknown"),
            node=spec.get("nodeName"),
            node_selector=spec.get("nodeSelector") or {},
            tolerated=tuple(toleration_of(each) for each in tolerations),
            limits=limits,
            requests=requests,
            node_terms=tuple(node_terms(spec)),
        )


def toleration_of(found: dict[str, Any]) -> Toleration:
    """Take a toleration from a pod's spec, whose operator Kubernetes takes for `Equal` if unset."""
    return Toleration(
        key=found.get("key"),
        operator=found.get("operator") or "Equal",
        value=found.get("value"),
        effect=found.get("effect"),
        toleration_seconds=found.get("tolerationSeconds"),
    )


def node_terms(spec: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Give the labels of nodes that a pod's node affinity requires, any one entry of them."""
    affinity: dict[str, Any] = spec.get("affinity") or {}
    of_nodes: dict[str, Any] = affinity.get("nodeAffinity") or {}
    required: dict[str, Any] = of_nodes.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms: list[dict[str, Any]] = required.get("nodeSelectorTerms") or []
    for term in terms:
        asked: list[dict[str, Any]] = term.get("matchExpressions") or []
        yield {one["key"]: one["values"][0] for one in asked if one["operator"] == "In"}


def read_makers(client: Client, namespace: str, labels: dict[str, str]) -> Iterator[str]:
    """Read the names of what makes the pods that carry the labels."""
    for kind in (Job, ReplicaSet, StatefulSet):
        for maker in _listed(client, kind, namespace=namespace, labels=labels):
            yield maker["metadata"]["name"]


def read_events(client: Client, namespace: str, name: str) -> Iterator[ObservedEvent]:
    """Read the events of one pod, or of what makes pods."""
    of_it = {"involvedObject.name": name}
    for event in _listed(client, Event, namespace=namespace, fields=of_it):
        yield ObservedEvent(
            last_seen=str(event.get("lastTimestamp") or event.get("eventTime") or ""),
            reason=event.get("reason", "Event"),
            message=event.get("message", "").strip(),
        )


def read_class_controller(client: Client, name: str) -> str | None:
    """Give what answers for an IngressClass, empty where it does not say; None without a class."""
    found = _found(client, IngressClass, name)
    return None if found is None else found.get("spec", {}).get("controller", "")


def has_issuer(client: Client, namespace: str | None, name: str) -> bool:
    """Whether cert-manager has an Issuer of this name, or a ClusterIssuer without a namespace."""
    if namespace is None:
        return _found(client, _CLUSTER_ISSUER, name) is not None
    return _found(client, _ISSUER, name, namespace=namespace) is not None


def read_listeners(client: Client, namespace: str, name: str) -> list[ObservedListener] | None:
    """Read the listeners of a Gateway; None where there is none of this name."""
    gateway = _found(client, _GATEWAY, name, namespace=namespace)
    if gateway is None:
        return None
    listeners: list[dict[str, Any]] = gateway["spec"].get("listeners") or []
    return [_listener(each) for each in listeners]


def _listener(found: dict[str, Any]) -> ObservedListener:
    allowed: dict[str, Any] = found.get("allowedRoutes") or {}
    namespaces: dict[str, str] = allowed.get("namespaces") or {}
    return ObservedListener(
        name=found["name"],
        protocol=found["protocol"],
        hostname=found.get("hostname"),
        routes_from=namespaces.get("from", "Same"),
    )


def read_replicas(client: Client, namespace: str, name: str) -> int | None:
    """Read how many replicas a Deployment is to have now; None where there is none."""
    deployment = _found(client, Deployment, name, namespace=namespace)
    return None if deployment is None else deployment["spec"].get("replicas", 1)


def read_scalers(client: Client, namespace: str, deployment: str) -> tuple[ObservedScaler, ...]:
    """Read what scales a Deployment: ScaledObjects, if the user may, and HPAs."""
    scaled_objects = unless_forbidden(partial(_listed, client, _SCALED_OBJECT, namespace=namespace))
    found = [
        *(("ScaledObject", item) for item in scaled_objects or []),
        *(
            ("HorizontalPodAutoscaler", item)
            for item in _listed(client, HorizontalPodAutoscaler, namespace=namespace)
        ),
    ]
    return tuple(
        _scaler(kind, item)
        for kind, item in found
        if item["spec"]["scaleTargetRef"]["name"] == deployment
        and item["spec"]["scaleTargetRef"].get("kind", "Deployment") == "Deployment"
    )


def _scaler(kind: str, item: dict[str, Any]) -> ObservedScaler:
    metadata: dict[str, Any] = item["metadata"]
    owners: list[dict[str, str]] = metadata.get("ownerReferences") or []
    labels: dict[str, str] = metadata.get("labels") or {}
    return ObservedScaler(
        kind=kind,
        name=metadata["name"],
        owner=(owners[0]["kind"], owners[0]["name"]) if owners else None,
        ours=labels.get("app.kubernetes.io/part-of") == PART_OF,
    )


def read_scaled_object(client: Client, namespace: str, name: str) -> dict[str, Any] | None:
    """Read a ScaledObject; None where there is none of this name."""
    return _found(client, _SCALED_OBJECT, name, namespace=namespace)


def read_claim(client: Client, namespace: str, name: str) -> HeldClaim | None:
    """Read a claim; None where there is none of this name."""
    claim = _found(client, PersistentVolumeClaim, name, namespace=namespace)
    if claim is None:
        return None
    annotations: dict[str, str] = claim["metadata"].get("annotations") or {}
    size: str = claim["spec"]["resources"]["requests"]["storage"]
    return HeldClaim(
        name=name,
        size=size,
        size_bytes=quantity_bytes(size),
        storage_class=claim["spec"].get("storageClassName"),
        access_modes=tuple(claim["spec"].get("accessModes") or ()),
        stack=annotations.get(STACK),
        retain=annotations.get(RETAIN) == "true",
    )


def read_namespace(client: Client, name: str) -> ObservedNamespace | None:
    """Read a namespace; None where there is none of this name."""
    namespace = _found(client, Namespace, name)
    if namespace is None:
        return None
    metadata: dict[str, Any] = namespace["metadata"]
    annotations: dict[str, str] = metadata.get("annotations") or {}
    labels: dict[str, str] = metadata.get("labels") or {}
    return ObservedNamespace(
        stack=annotations.get(STACK), enforced=labels.get(ENFORCE, "privileged")
    )


def quantity_bytes(quantity: str) -> int:
    """Give the bytes of a Kubernetes quantity such as 30Gi."""
    return int(parse_quantity(quantity) or 0)
