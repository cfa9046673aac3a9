"""Labels and metadata of the server's objects."""

from __future__ import annotations

import pulumi
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from planning.names import PART_OF, image_version, labels
from planning.plan import Plan

API_KEYS = f"{PART_OF}/api-keys"
"""The annotation of a pod that names the Secret whose API keys it has read, not what it holds."""


def server_labels(plan: Plan) -> dict[str, str]:
    """Labels of the server's objects and pods."""
    version = image_version(plan.server.image)
    return labels(plan.names, "server", version=version, extra=plan.extra_labels)


def pod_metadata(plan: Plan, api_keys: pulumi.Input[str] | None = None) -> ObjectMetaArgs:
    """Metadata of the server's pods, with what a platform needs to mount the cache.

    Args:
        plan: the plan.
        api_keys: uid of the Secret with the API keys, so that another one is a roll.
    """
    read: dict[str, pulumi.Input[str]] = {} if api_keys is None else {API_KEYS: api_keys}
    return ObjectMetaArgs(
        labels=server_labels(plan) | dict(plan.cache.pod_labels),
        annotations={**dict(plan.cache.pod_annotations), **read} or None,
    )


def server_metadata(
    plan: Plan, name: str, annotations: dict[str, str] | None = None
) -> ObjectMetaArgs:
    """Metadata of an object of the server."""
    return ObjectMetaArgs(
        name=name,
        namespace=plan.names.namespace,
        labels=server_labels(plan),
        annotations=annotations,
    )
