"""Write a model record as the block of YAML that `models.yaml` keeps."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.records import Model

_NESTED = ("architecture", "recommended")
_WIDTH = 110


def render_model(model: Model) -> str:
    """Render one record, keys in the order of its fields, defaults left out, ending in a newline.

    Reading the text back gives an equal record, and the same record always gives the same bytes.
    """
    lines = list(_lines(model))
    return "- " + "\n  ".join(lines) + "\n"


def _lines(model: Model) -> Iterator[str]:
    for name, value in _fields(model):
        if name in _NESTED:
            yield f"{name}:"
            yield from (f"  {inner}: {_flow(item)}" for inner, item in _fields(value))
        elif isinstance(value, tuple) and len(f"{name}: {_flow(value)}") > _WIDTH:
            yield f"{name}:"
            yield from (f"- {_flow(item)}" for item in value)  # pyright: ignore[reportUnknownVariableType] - items of any type
        else:
            text = "unknown" if name == "gated" and value is None else _flow(value)
            yield f"{name}: {text}"


def _fields(value: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - any record
    for field in fields(value):
        item = getattr(value, field.name)
        if field.default is MISSING or item != field.default:
            yield field.name, item


def _flow(value: Any) -> str:  # noqa: ANN401 - any value that a record holds
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return _scalar(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_flow(item) for item in value) + "]"  # pyright: ignore[reportUnknownVariableType] - items of any type
    return "{" + ", ".join(f"{name}: {_flow(item)}" for name, item in _fields(value)) + "}"


def _scalar(text: str) -> str:
    try:
        plain = yaml.safe_load(f"[{text}]") == [text]
    except yaml.YAMLError:
        plain = False
    return text if plain else json.dumps(text, ensure_ascii=False)
