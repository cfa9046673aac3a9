"""What is read of KEDA and its HTTP add-on in the live cluster, as frozen records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lightkube import Client
from lightkube.resources.apiregistration_v1 import APIService
from lightkube.resources.core_v1 import Service

from cluster.objects import read_object


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedMetrics:
    """Who answers for external metrics: a Service, as namespace/name, and whether it does.

    `is_kedas` tells whether that is KEDA's adapter, by its name or its labels.
    """

    service: str
    is_available: bool
    is_kedas: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedService:
    """A Service: its ports, None where it is an alias of another name, which has any."""

    ports: frozenset[int] | None


def read_external_metrics(client: Client) -> ObservedMetrics | None:
    """Read who answers for external metrics; None where nobody is to."""
    found = read_object(client, APIService, "v1beta1.external.metrics.k8s.io")
    return None if found is None else observed_metrics(found)


def observed_metrics(found: dict[str, Any]) -> ObservedMetrics:
    """Take from an APIService who is behind it.

    KEDA's manifests and its chart end the name of that Service with metrics-apiserver, whatever
    the operator is called (keda, config/metrics-server; charts, keda/templates/metrics-server).
    """
    service: dict[str, str] = found.get("spec", {}).get("service") or {}
    labels: dict[str, str] = found["metadata"].get("labels") or {}
    conditions: list[dict[str, str]] = found.get("status", {}).get("conditions") or []
    name = service.get("name", "")
    return ObservedMetrics(
        service=f"{service.get('namespace', '')}/{name}",
        is_available=any(c["type"] == "Available" and c["status"] == "True" for c in conditions),
        is_kedas=name.endswith("metrics-apiserver")
        or any("keda" in text for text in (name, *labels.values())),
    )


def read_service(client: Client, namespace: str, name: str) -> ObservedService | None:
    """Read a Service; None where there is none of this name."""
    found = read_object(client, Service, name, namespace=namespace)
    if found is None:
        return None
    spec: dict[str, Any] = found["spec"]
    if spec.get("type") == "ExternalName":
        return ObservedService(ports=None)
    ports: list[dict[str, Any]] = spec.get("ports") or []
    return ObservedService(ports=frozenset(int(each["port"]) for each in ports))
