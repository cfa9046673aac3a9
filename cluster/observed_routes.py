"""What is read of the live cluster about hosts: who answers for which, as frozen records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from lightkube import ALL_NS, Client, generic_resource
from lightkube.core.exceptions import ApiError
from lightkube.resources.networking_v1 import Ingress

from cluster.objects import is_forbidden, read_objects

_GENERIC = cast("Any", generic_resource)
_HTTP_ROUTE = _GENERIC.create_namespaced_resource(
    "gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"
)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ObservedRoute:
    """A host and a path that an Ingress or an HTTPRoute answers for."""

    kind: str
    namespace: str
    name: str
    host: str
    path: str


def read_routes(client: Client) -> Iterator[ObservedRoute]:
    """Read what every Ingress and HTTPRoute answers for; rules without a host are left out."""
    for item in _listed(client, Ingress):
        for rule in _parts(item["spec"], "rules"):
            paths = [each.get("path") or "/" for each in _parts(rule.get("http") or {}, "paths")]
            yield from _routes("Ingress", item, [rule.get("host") or ""], paths)
    for item in _listed(client, _HTTP_ROUTE):
        matches = [
            each for rule in _parts(item["spec"], "rules") for each in _parts(rule, "matches")
        ]
        paths = [_path(match) for match in matches]
        yield from _routes("HTTPRoute", item, item["spec"].get("hostnames") or [], paths)


def _parts(of: dict[str, Any], key: str) -> list[dict[str, Any]]:
    return of.get(key) or []


def _path(match: dict[str, Any]) -> str:
    path: dict[str, str] = match.get("path") or {}
    return path.get("value", "/")


def _routes(
    kind: str, item: dict[str, Any], hosts: list[str], paths: list[str]
) -> Iterator[ObservedRoute]:
    metadata: dict[str, str] = item["metadata"]
    for host in hosts:
        for path in paths if host else ():
            yield ObservedRoute(
                kind=kind,
                namespace=metadata["namespace"],
                name=metadata["name"],
                host=host,
                path=path,
            )


def _listed(client: Client, kind: type[object]) -> list[dict[str, Any]]:
    try:
        return read_objects(client, kind, namespace=ALL_NS)
    except ApiError as error:
        if not is_forbidden(error):
            raise
        # Whoever may not list them all learns of nobody.
        return []
