"""Labels of the app's objects, and the metadata of the server's."""

from __future__ import annotations

from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from planning.names import Component, image_version, labels
from planning.plan import Plan


def object_labels(plan: Plan, component: Component) -> dict[str, str]:
    """Labels of an object of a component; the version is that of the server's image."""
    version = image_version(plan.server.image)
    return labels(plan.names, component, version=version, extra=plan.extra_labels)


def server_labels(plan: Plan) -> dict[str, str]:
    """Labels of the server's objects and pods."""
    return object_labels(plan, "server")


def pod_metadata(plan: Plan) -> ObjectMetaArgs:
    """Metadata of the server's pods, with what a platform needs to mount the cache."""
    return ObjectMetaArgs(
        labels=server_labels(plan) | dict(plan.cache.pod_labels),
        annotations=dict(plan.cache.pod_annotations) or None,
    )


def server_metadata(
    plan: Plan, name: str, annotations: dict[str, str] | None = None
) -> ObjectMetaArgs:
    """Name and label what belongs to the server, in the app's namespace."""
    return ObjectMetaArgs(
        name=name,
        namespace=plan.names.namespace,
        labels=server_labels(plan),
        annotations=annotations,
    )
