"""Register the objects of objects.json, each after those it names, and decide nothing."""

import json
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.batch.v1 import Job
from pulumi_kubernetes.core.v1 import (
    ConfigMap,
    Namespace,
    PersistentVolumeClaim,
    Service,
    ServiceAccount,
)
from pulumi_kubernetes.networking.v1 import Ingress, NetworkPolicy
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget

_KINDS: dict[str, Any] = {
    "ConfigMap": ConfigMap,
    "Deployment": Deployment,
    "Ingress": Ingress,
    "Job": Job,
    "Namespace": Namespace,
    "NetworkPolicy": NetworkPolicy,
    "PersistentVolumeClaim": PersistentVolumeClaim,
    "PodDisruptionBudget": PodDisruptionBudget,
    "Service": Service,
    "ServiceAccount": ServiceAccount,
}


def register(item: dict[str, Any], options: pulumi.ResourceOptions) -> pulumi.Resource:
    """Register one object of a kind that the SDK has, or of any other."""
    _, version, kind = item["type"].split(":")
    if kind in _KINDS:
        return _KINDS[kind](item["name"], opts=options, **item["inputs"])
    custom: Any = CustomResource
    return custom(item["name"], opts=options, api_version=version, kind=kind, **item["inputs"])


def main() -> None:
    """Register them all on one explicit provider."""
    context = Path("context.txt").read_text().strip()
    provider = kubernetes.Provider(
        "cluster", kubeconfig="", context=context, cluster_identifier=context
    )
    registered: dict[str, pulumi.Resource] = {}
    for item in json.loads(Path("objects.json").read_text()):
        options = pulumi.ResourceOptions(
            provider=provider,
            depends_on=[registered[name] for name in item["after"]],
            custom_timeouts=pulumi.CustomTimeouts(**item["timeouts"]),
            ignore_changes=item["ignoreChanges"],
        )
        registered[item["name"]] = register(item, options)


main()
