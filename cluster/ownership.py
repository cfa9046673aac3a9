"""Whose app it is that runs under the planned name."""

from __future__ import annotations

from collections.abc import Iterator

from lightkube import Client
from lightkube.resources.core_v1 import Service

from cluster.objects import read_object
from planning.names import STACK, Names
from settings.mistakes import Mistake


def read_stack(client: Client, names: Names) -> str | None:
    """Read which stack made the Service of the app's name; None where none says so."""
    found = read_object(client, Service, names.server, namespace=names.namespace)
    annotations: dict[str, str] = found["metadata"].get("annotations") or {} if found else {}
    return annotations.get(STACK)


def owner_mistakes(names: Names, stack: str | None) -> Iterator[Mistake]:
    """Refuse a name that an app of another stack has in the namespace.

    The provider would write over its objects, and the end of one stack would be that of both.
    """
    if stack is None or stack == names.stack:
        return
    yield Mistake(
        key="name",
        wrong=f"'{names.app}' is in namespace {names.namespace} already, made by the stack "
        f"'{stack}'",
        rule="apps of one namespace have names of their own",
        remedy="set name or namespace.name to another; if the stack was renamed, run 'kubectl "
        f"annotate --overwrite -n {names.namespace} service {names.server} "
        f"{STACK}={names.stack}'",
    )
