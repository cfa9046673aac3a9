"""Objects of the live cluster as maps; the only module that calls its API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from lightkube import Client
from lightkube.core.exceptions import ApiError

from cluster.client import KindNotServedError, answers_of_kubernetes

_Read = TypeVar("_Read")

_NOT_FOUND, _FORBIDDEN = 404, 403

_PAGE = 500
"""Objects of one answer, as kubectl asks.

To a list without a limit an API server answers 429 until its cache of the kind is ready, as at the
first one of a custom resource (k8s.io/apiserver v0.36, shouldDelegateListOnNotReadyCache).
"""


def is_forbidden(error: ApiError) -> bool:
    """Whether the user may not do what was tried."""
    return int(error.response.status_code) == _FORBIDDEN


def unless_forbidden(read: Callable[[], _Read]) -> _Read | None:
    """Read what the user may read; None where they may not."""
    try:
        return read()
    except ApiError as error:
        if not is_forbidden(error):
            raise
        return None


def read_object(
    client: Client, kind: type[object], name: str, **query: object
) -> dict[str, Any] | None:
    """Read one object; None where there is none of this name."""
    api: Any = client
    try:
        with answers_of_kubernetes():
            return api.get(kind, name, **query).to_dict()
    except KindNotServedError:
        return None
    except ApiError as error:
        if int(error.response.status_code) != _NOT_FOUND:
            raise
        return None


def read_objects(client: Client, kind: type[object], **query: object) -> list[dict[str, Any]]:
    """Read every object of a kind; none where the cluster does not serve it."""
    # lightkube leaves the types of maps open; the records of cluster.observed close them.
    api: Any = client
    try:
        with answers_of_kubernetes():
            return [item.to_dict() for item in api.list(kind, chunk_size=_PAGE, **query)]
    except KindNotServedError:
        return []
    except ApiError as error:
        if int(error.response.status_code) != _NOT_FOUND:
            raise
        return []


def is_served(client: Client, kind: type[object], *, namespace: str) -> bool:
    """Whether the cluster serves a kind, told by a list of its objects in a namespace."""
    api: Any = client
    try:
        with answers_of_kubernetes():
            next(iter(api.list(kind, chunk_size=1, namespace=namespace)), None)
    except KindNotServedError:
        return False
    except ApiError as error:
        if int(error.response.status_code) != _NOT_FOUND:
            raise
        return False
    return True
