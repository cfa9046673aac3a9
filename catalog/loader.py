"""Load the catalogue files once, check every record, and find records by name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

import yaml

from catalog.reading import CatalogError, record
from catalog.records import Architecture, Gpu, Model

MODELS_FILE = Path(__file__).with_name("models.yaml")
GPUS_FILE = Path(__file__).with_name("gpus.yaml")
_SHA = re.compile(r"[0-9a-f]{40}")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml reads ten times faster
_NEAR = 5

Record = TypeVar("Record", Model, Gpu)


class UnknownNameError(LookupError):
    """No record has the name; `near` holds the names most like it."""

    def __init__(self, kind: str, name: str, near: Sequence[str]) -> None:
        self.near = tuple(near)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        super().__init__(f"{kind}: {name!r} is not in the catalogue{hint}")


@cache
def load_models() -> tuple[Model, ...]:
    """Every model of `models.yaml`, sorted by id.

    Raises:
        CatalogError: a record breaks a rule.
    """
    return read_models(MODELS_FILE)


@cache
def load_gpus() -> tuple[Gpu, ...]:
    """Every GPU of `gpus.yaml`, sorted by key.

    Raises:
        CatalogError: a record breaks a rule.
    """
    records = _read(GPUS_FILE, "gpus", Gpu)
    _check_unique("gpus.yaml", [gpu.key for gpu in records])
    _check_unique("gpus.yaml", [label for gpu in records for label in gpu.product_labels])
    for gpu in records:
        _check_gpu(gpu)
    return tuple(sorted(records, key=lambda gpu: gpu.key))


def read_models(path: Path) -> tuple[Model, ...]:
    """Read and check a file in the format of `models.yaml`.

    Raises:
        CatalogError: a record breaks a rule.
    """
    records = _read(path, "models", Model)
    _check_unique(path.name, [model.id.lower() for model in records])
    _check_unique(path.name, [name for model in records for name in model.short_names])
    for model in records:
        _check_model(model)
    return tuple(sorted(records, key=lambda model: model.id))


def find_model(name: str) -> Model:
    """Find a model by its Hugging Face id or one of its short names, whatever the case.

    Raises:
        UnknownNameError: no model has that name; the message lists near ones.
    """
    names = _model_names()
    if name.lower() not in names:
        raise UnknownNameError("model", name, _near(name, names))
    return names[name.lower()]


def find_gpu(name: str) -> Gpu:
    """Find a GPU by its key or by the product label that its nodes carry.

    Raises:
        UnknownNameError: no GPU has that name; the message lists near ones.
    """
    names = _gpu_names()
    if name.lower() not in names:
        raise UnknownNameError("product", name, _near(name, names))
    return names[name.lower()]


@cache
def _model_names() -> dict[str, Model]:
    return {
        name.lower(): model for model in load_models() for name in (model.id, *model.short_names)
    }


@cache
def _gpu_names() -> dict[str, Gpu]:
    return {name.lower(): gpu for gpu in load_gpus() for name in (gpu.key, *gpu.product_labels)}


def _near(name: str, names: Mapping[str, Model] | Mapping[str, Gpu]) -> list[str]:
    wanted = name.lower()
    alike = get_close_matches(wanted, list(names), n=_NEAR, cutoff=0.6)
    inside = [other for other in sorted(names) if wanted in other]
    return list(dict.fromkeys([*alike, *inside]))[:_NEAR]


def _read(path: Path, key: str, kind: type[Record]) -> list[Record]:
    try:
        content = cast("object", yaml.load(path.read_bytes(), Loader=_LOADER))  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        raise CatalogError(f"{path.name}: is not valid YAML; {error}") from error
    if not isinstance(content, dict) or set(cast("dict[str, object]", content)) != {"sources", key}:
        raise CatalogError(f"{path.name}: has other keys than sources and {key}; keep these two")
    parts = cast("dict[str, object]", content)
    sources = cast("dict[str, str]", parts["sources"])
    records: list[Record] = []
    for index, item in enumerate(cast("list[dict[str, object]]", parts[key])):
        where = f"{path.name}: {item.get('id') or item.get('key') or f'{key}[{index}]'}"
        made = record(kind, item, where)
        if unknown := sorted(set(made.sources) - set(sources)):
            raise CatalogError(f"{where}.sources: {unknown[0]} is not under sources; add it there")
        records.append(made)
    return records


def _check_unique(file: str, names: Sequence[str]) -> None:
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise CatalogError(f"{file}: {twice[0]} names two records; keep one")


def _check_model(model: Model) -> None:
    where = f"models.yaml: {model.id}"
    if model.revision is not None and not _SHA.fullmatch(model.revision):
        raise CatalogError(
            f"{where}.revision: {model.revision!r} is not a commit sha of 40 hexadecimal digits; "
            "write one, or null"
        )
    if not model.short_names:
        raise CatalogError(f"{where}.short_names: is empty; give one short name")
    # 4 bits with scales are 0.53 bytes, and 2 bytes is the widest format that is published here.
    if not 0.5 <= model.weights_bytes / model.parameters <= 2.05:
        raise CatalogError(
            f"{where}.weights_bytes: {model.weights_bytes} is not 0.5 to 2.05 bytes for each of "
            f"{model.parameters} parameters; correct one of the two"
        )
    if model.recommended.context > model.architecture.max_position_embeddings:
        raise CatalogError(
            f"{where}.recommended.context: {model.recommended.context} is longer than the "
            "positions of the model; lower it"
        )
    _check_architecture(model.architecture, where)


def _check_architecture(architecture: Architecture, where: str) -> None:
    counted = sum(group.layers for group in architecture.attention)
    if counted != architecture.layers:
        raise CatalogError(
            f"{where}.architecture.attention: counts {counted} layers, not {architecture.layers}; "
            "name the cache kind of each layer once"
        )
    for group in architecture.attention:
        if (group.kind in ("sliding_window", "chunked")) != (group.window is not None):
            raise CatalogError(
                f"{where}.architecture.attention: {group.kind} with window {group.window}; "
                "a window belongs to sliding_window and chunked layers only; correct it"
            )
    kinds = {group.kind for group in architecture.attention}
    if ("latent" in kinds) != (architecture.latent is not None):
        raise CatalogError(f"{where}.architecture.latent: goes with latent layers; give both")
    if ("state_space" in kinds) != (architecture.state_space is not None):
        raise CatalogError(f"{where}.architecture.state_space: goes with such layers; give both")


def _check_gpu(gpu: Gpu) -> None:
    where = f"gpus.yaml: {gpu.key}"
    if gpu.image.tag == "latest":
        raise CatalogError(f"{where}.image.tag: latest moves; name a release")
    if (gpu.compute_capability is None) != (gpu.vendor == "amd"):
        raise CatalogError(
            f"{where}.compute_capability: NVIDIA devices have one, AMD none; correct it"
        )
    if both := set(gpu.native) & set(gpu.weight_only):
        raise CatalogError(f"{where}.native: {sorted(both)[0]} is in weight_only too; keep one")
    _check_unique(where, [profile.name for profile in gpu.mig])
    for profile in gpu.mig:
        if profile.visible_gib >= gpu.visible_gib:
            raise CatalogError(
                f"{where}.mig: {profile.name} has more memory than the whole GPU; correct it"
            )
