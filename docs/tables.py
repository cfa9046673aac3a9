"""The tables of README.md and docs/, read from where each fact stands in the code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import UnionType
from typing import Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from benchmarks.sizing import compare, errors
from benchmarks.sizing_logs import read_logs
from catalog.loader import load_gpus, load_models
from docs.network import network_table
from planning.devices import device_of
from planning.explain import preview_lines
from planning.outputs import StackOutputs
from planning.stack import make_plan
from planning.units import GIB
from settings.models import Preset, Section, StackSettings, Toleration
from settings.parse import parse
from settings.preset_files import read_presets
from settings.secret_keys import SECRET_KEYS
from settings.stack_files import read_stack_file

_FORMULAS = {"ours": "this program", "llm-d": "llm-d-planner", "recipes": "vLLM recipes"}
"""How a reader knows what the benchmark names shortly."""

ROOT = Path(__file__).resolve().parent.parent

AS_KUBERNETES = (Toleration,)
"""Sections that the Kubernetes documentation describes."""


def render(name: str) -> str:
    """Give a table as Markdown.

    Raises:
        KeyError: there is no table of that name.
    """
    if name == PREVIEW:
        return f"```text\n{_preview()}\n```\n"
    header, rows = TABLES[name]()
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(_cell(text) for text in line)} |\n" for line in lines)


def _preview() -> str:
    """What a preview of the dev stack says of its plan."""
    file = read_stack_file(ROOT / "Pulumi.dev.yaml")
    settings = parse(file.raw, secret=file.secret).settings
    if settings is None:
        raise ValueError("Pulumi.dev.yaml: has mistakes; run `make preview`, which names them")
    return "\n".join(preview_lines(make_plan(settings, stack="dev")))


def config_keys() -> list[str]:
    """Every key of the stack config, nested ones as `cache.size` and `presets[].name`."""
    return [row[0].strip("`") for row in _config_rows()]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


Table = tuple[Sequence[str], Sequence[Sequence[str]]]


def _config() -> Table:
    return ("key", "default", "meaning"), _config_rows()


def _config_rows() -> list[Sequence[str]]:
    rows: list[Sequence[str]] = list(_section_rows(StackSettings, prefix="", optional=False))
    for key, meaning in SECRET_KEYS.items():
        beside = (index for index, row in enumerate(rows) if row[0].startswith(f"`{key}"))
        text, _, default = meaning.partition("; default: ")
        rows.insert(next(beside, len(rows)), (f"`{key}`", default or "none", text))
    return rows


def _section_rows(section: type[Section], *, prefix: str, optional: bool) -> Iterator[list[str]]:
    for name, field in section.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        nested = _nested(field.annotation)
        listed = get_origin(field.annotation) is tuple
        if nested is None or listed:
            yield _row(key, field, optional=optional)
        if nested is not None and nested not in AS_KUBERNETES:
            inner = f"{key}[]." if listed else f"{key}."
            left_out = field.default is None
            yield from _section_rows(nested, prefix=inner, optional=optional or left_out)


def _row(key: str, field: FieldInfo, *, optional: bool) -> list[str]:
    if field.description is None:
        raise ValueError(f"{key} has no description; add one to its Field in settings/models.py")
    meaning, _, default = f"; {field.description}".rpartition("; default: ")
    if not meaning:
        meaning, default = f"; {default.removeprefix('; ')}", ""
    meaning = meaning.removeprefix("; ")
    if choices := _choices(field.annotation):
        meaning += f"; one of {', '.join(f'`{choice}`' for choice in choices)}"
    return [f"`{key}`", default or _default(field, optional=optional), meaning]


def _default(field: FieldInfo, *, optional: bool) -> str:
    if field.is_required():
        return "none" if optional else "required"
    match field.default:
        case None:
            return "none"
        case bool(value):
            return f"`{str(value).lower()}`"
        case ():
            return "`[]`"
        case float(value):
            return f"`{value:g}`"
        case value:
            return f"`{value}`"


def _nested(annotation: object) -> type[Section] | None:
    """Find the section in `Section`, `Section | None` and `tuple[Section, ...]`."""
    candidates = (annotation, *get_args(annotation))
    if get_origin(annotation) not in {None, tuple, Union, UnionType}:
        return None
    found = (c for c in candidates if isinstance(c, type) and issubclass(c, Section))
    return next(found, None)


def _choices(annotation: object) -> list[str]:
    parts = [annotation, *get_args(annotation)]
    literals = (get_args(part) for part in parts if get_origin(part) is Literal)
    choices = [str(choice) for choice in next(literals, ())]
    return choices if len(choices) > 1 else []


def _presets() -> Table:
    gpus = {gpu.key: gpu for gpu in load_gpus()}
    rows: list[list[str]] = []
    for raw in read_presets(str(ROOT / "presets" / "sandbox.yaml")):
        preset = Preset.model_validate(raw)
        gpu = device_of(preset, gpus)
        rows.append(
            [
                f"`{preset.name}`",
                f"{preset.gpus} x {gpu.name}" if gpu else "none",
                f"{preset.gpus * gpu.visible_gib:.0f} GiB" if gpu else "",
                preset.cpu,
                preset.memory,
                f"{preset.price_per_hour:g}",
            ]
        )
    return ("preset", "GPUs", "GPU memory", "CPUs", "memory", "price per hour"), rows


def _models() -> Table:
    rows = [
        [
            ", ".join(f"`{name}`" for name in model.short_names),
            model.id,
            f"{model.weights_bytes / GIB:.1f}",
            model.task,
            f"`{model.revision[:8]}`" if model.revision else "no",
        ]
        for model in load_models()
    ]
    return ("model", "repository", "weights, GiB", "task", "pinned"), rows


def _outputs() -> Table:
    rows = [
        [f"`{field.alias}`", _output_type(field), field.description or ""]
        for field in StackOutputs.model_fields.values()
    ]
    return ("output", "type", "meaning"), rows


def _output_type(field: FieldInfo) -> str:
    return "string" if str in {field.annotation, *get_args(field.annotation)} else "number"


def _sizing() -> Table:
    summed = errors([compare(log) for log in read_logs()[0]])
    lines = summed[0].lines
    rows = [
        [_FORMULAS.get(each.formula, each.formula), f"{each.largest:+.2f}", f"{each.median:+.2f}"]
        for each in summed
    ]
    return (f"error on {lines} lines, GiB", "largest over-estimate", "median"), rows


def _dependencies() -> Table:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    found = re.findall(r"((?:^#.*\n)*)^([\w.-]+)==(\S+)$", text, re.M)
    rows: list[list[str]] = []
    for comment, name, version in found:
        why = " ".join(line.lstrip("# ") for line in comment.splitlines())
        if not why:
            raise ValueError(
                f"requirements.txt: {name} has no comment above it; say what it is for"
            )
        rows.append([name, version, why.rstrip(".")])
    return ("package", "version", "what it is for"), rows


TABLES = {
    "config": _config,
    "dependencies": _dependencies,
    "models": _models,
    "network": network_table,
    "outputs": _outputs,
    "presets": _presets,
    "sizing": _sizing,
}
"""Tables by the name that a marker gives."""

PREVIEW = "preview"
NAMES = (*TABLES, PREVIEW)
"""Everything that a marker may name."""
