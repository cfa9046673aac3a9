"""Build frozen records from the mappings that a YAML file holds."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Record = TypeVar("Record")
_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


class CatalogError(ValueError):
    """A catalogue file breaks a rule; the message names record, key, rule and remedy."""


def record(kind: type[Record], value: object, where: str) -> Record:
    """Build a record of a dataclass from a mapping, naming `where` in every complaint.

    Raises:
        CatalogError: a key is unknown or missing, or a value has another type than its field.
    """
    if not isinstance(value, Mapping):
        raise CatalogError(f"{where}: {value!r} is not a mapping; write `key: value` lines")
    given = cast("Mapping[str, object]", value)
    shape = _shape(kind)
    if unknown := sorted(set(given) - set(shape)):
        raise CatalogError(
            f"{where}.{unknown[0]}: no such key; the keys are {', '.join(shape)}; correct it"
        )
    missing = [name for name, (_, required) in shape.items() if required and name not in given]
    if missing:
        raise CatalogError(f"{where}.{missing[0]}: is missing; every record needs it; add it")
    return kind(
        **{name: _convert(shape[name][0], item, f"{where}.{name}") for name, item in given.items()}
    )


@cache
def _shape(kind: type[Any]) -> dict[str, tuple[Any, bool]]:
    hints = get_type_hints(kind)
    return {
        field.name: (hints[field.name], field.default is MISSING)
        for field in fields(kind)
        if field.init
    }


def _convert(hint: Any, value: object, where: str) -> object:  # noqa: ANN401 - a type hint is any object
    origin = get_origin(hint)
    if origin in (types.UnionType, Union):
        return _optional(hint, value, where)
    if origin is Literal:
        return _choice(get_args(hint), value, where)
    if origin is tuple:
        return _items(get_args(hint), value, where)
    if is_dataclass(hint):
        return record(cast("type[object]", hint), value, where)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise CatalogError(f"{where}: {value!r} is not {_NAMES[hint]}; write {_NAMES[hint]} there")
    return value


def _optional(hint: Any, value: object, where: str) -> object:  # noqa: ANN401 - a type hint is any object
    inner = next(option for option in get_args(hint) if option is not types.NoneType)
    if value is None or (inner is bool and value == "unknown"):
        return None
    return _convert(inner, value, where)


def _choice(options: tuple[object, ...], value: object, where: str) -> object:
    if value not in options:
        names = ", ".join(str(option) for option in options)
        raise CatalogError(f"{where}: {value!r} is not one of {names}; write one of them")
    return value


def _items(hints: tuple[object, ...], value: object, where: str) -> tuple[object, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise CatalogError(f"{where}: {value!r} is not a list; write `[a, b]` there")
    given = cast("Sequence[object]", value)
    wanted = [hints[0]] * len(given) if hints[-1] is Ellipsis else list(hints)
    if len(wanted) != len(given):
        raise CatalogError(f"{where}: {value!r} has not {len(wanted)} items; write so many")
    return tuple(
        _convert(hint, item, f"{where}[{index}]")
        for index, (hint, item) in enumerate(zip(wanted, given, strict=True))
    )
