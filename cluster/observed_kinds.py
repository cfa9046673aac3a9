"""Which kinds of custom resources a cluster serves, and what their schemas know."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from lightkube import Client, generic_resource
from lightkube.core.exceptions import ApiError
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition

from cluster.objects import is_forbidden, is_served, read_object, unless_forbidden

_GENERIC = cast("Any", generic_resource)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedKind:
    """A kind of custom resource in one version.

    `served` tells whether the cluster has it, None where the user may read neither its definition
    nor its objects. `schema` is that of its objects, None where it cannot be read.
    """

    served: bool | None
    schema: dict[str, Any] | None = None

    def lacks(self, *path: str) -> bool:
        """Whether the schema is known and has no such field; a field that takes all has every."""
        schema = self.schema
        for name in path:
            if schema is None or schema.get("x-kubernetes-preserve-unknown-fields"):
                return False
            fields: dict[str, dict[str, Any]] = schema.get("properties") or {}
            if name not in fields:
                return True
            schema = fields[name]
        return False


def read_kind(client: Client, definition: str, version: str, *, namespace: str) -> ObservedKind:
    """Read whether the cluster serves a kind; who may not read definitions may list its objects.

    Args:
        client: a client of the cluster.
        definition: name of the CustomResourceDefinition, such as scaledobjects.keda.sh.
        version: of the kind's API, such as v1alpha1.
        namespace: where the user may list objects, if anywhere.
    """
    try:
        found = read_object(client, CustomResourceDefinition, definition)
    except ApiError as error:
        if not is_forbidden(error):
            raise
        return ObservedKind(served=_is_listed(client, definition, version, namespace))
    return ObservedKind(served=False) if found is None else observed_kind(found, version)


def observed_kind(definition: dict[str, Any], version: str) -> ObservedKind:
    """Take the schema of a version from a CustomResourceDefinition."""
    versions: list[dict[str, Any]] = definition.get("spec", {}).get("versions") or []
    for each in versions:
        if each.get("name") == version:
            schema: dict[str, Any] = each.get("schema") or {}
            return ObservedKind(served=True, schema=schema.get("openAPIV3Schema"))
    return ObservedKind(served=True)


def _is_listed(client: Client, definition: str, version: str, namespace: str) -> bool | None:
    plural, _, group = definition.partition(".")
    kind = _GENERIC.create_namespaced_resource(group, version, plural, plural)
    return unless_forbidden(partial(is_served, client, kind, namespace=namespace))
