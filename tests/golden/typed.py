"""Manifests against lightkube's models, whose own `from_dict` lets unknown fields pass."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

MODULES = {
    "apps/v1": "apps_v1",
    "batch/v1": "batch_v1",
    "networking.k8s.io/v1": "networking_v1",
    "policy/v1": "policy_v1",
    "v1": "core_v1",
}
"""Modules of `lightkube.models` by the API version that they hold."""


def deviations(manifest: dict[str, Any]) -> list[str]:
    """Name every field that the kind does not have, and every value of another type.

    Raises:
        KeyError: the kind is not one of Kubernetes' own.
    """
    module = importlib.import_module(f"lightkube.models.{MODULES[manifest['apiVersion']]}")
    return list(_deviations(manifest, getattr(module, manifest["kind"]), manifest["kind"]))


def _deviations(value: object, kind: Any, path: str) -> Iterator[str]:
    choices = [choice for choice in _choices(kind) if choice is not NoneType]
    if len(choices) > 1:
        if not isinstance(value, tuple(choices)):
            yield f"{path}: {value!r} is none of {choices}"
        return
    (kind,) = choices
    if get_origin(kind) is list:
        if not isinstance(value, list):
            yield f"{path}: {value!r} is no list"
            return
        for index, item in enumerate(cast("list[object]", value)):
            yield from _deviations(item, get_args(kind)[0], f"{path}[{index}]")
    elif getattr(kind, "__module__", "").startswith("lightkube."):
        yield from _of_model(value, kind, path)
    elif kind.__name__ == "datetime":
        return
    elif not isinstance(value, kind):
        yield f"{path}: {value!r} is no {kind.__name__}"


def _of_model(value: object, kind: type, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {value!r} is no {kind.__name__}"
        return
    # A name that Python reserves ends in an underscore there.
    fields = {name.rstrip("_"): hint for name, hint in get_type_hints(kind).items()}
    for name, item in cast("dict[str, object]", value).items():
        if name in fields:
            yield from _deviations(item, fields[name], f"{path}.{name}")
        else:
            yield f"{path}.{name}: {kind.__name__} has no such field"


def _choices(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in {Union, UnionType} else (kind,)
