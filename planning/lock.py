"""Write what the Hub says of a model into the catalogue, so that planning it needs no network."""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from catalog.loader import MODELS_FILE, read_models
from catalog.reading import CatalogError
from catalog.records import Model
from catalog.rendering import render_model
from planning.checkpoint import Checkpoint, UnsupportedModelError
from planning.checkpoint_model import HUB_SOURCE, model_of
from planning.hub_errors import HubError

LookUp = Callable[[str, str], Checkpoint]

_SOURCE = (
    f"  {HUB_SOURCE}: config and safetensors headers at the pinned revision, read by `make lock`\n"
)
_DATED = re.compile(r"locked on \d{4}-\d{2}-\d{2}")
_BLOCK = re.compile(r"^- id: (?P<id>\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """What a lock did: the record as it now stands, and whether the file has changed."""

    model: Model
    is_new: bool
    has_changed: bool


def lock(
    model: str,
    catalogue: Path = MODELS_FILE,
    revision: str = "main",
    look_up: LookUp | None = None,
    today: date | None = None,
) -> Locked:
    """Pin a model, by id or short name, to the commit that the revision names now.

    A record that exists keeps what people wrote (short names, flags, advice, notes); what the
    repository itself states replaces the rest. Every other byte of the file stays.

    Raises:
        HubError: the Hub does not give the model.
        UnsupportedModelError: the model cannot be planned.
        CatalogError: the catalogue is not readable, or the new record breaks one of its rules.
    """
    known = _find(model, read_models(catalogue))
    checkpoint = (look_up or _from_hub)(known.id if known else model, revision)
    # A short name or an id of old may lead to a repository that has a record under its new id.
    models = read_models(catalogue)
    known = known or _find(checkpoint.model, models)
    record = _dated(_record(known, checkpoint, models), today or datetime.now(tz=UTC).date())
    before = catalogue.read_text(encoding="utf-8")
    after = replaced_block(before, known.id if known else None, record)
    if after != before:
        _write_checked(catalogue, after)
    return Locked(model=record, is_new=known is None, has_changed=after != before)


def replaced_block(text: str, old_id: str | None, record: Model) -> str:
    """The catalogue with the block of `old_id` replaced by the record, or the record sorted in."""
    text = _with_source(text)
    starts = [(found["id"], found.start()) for found in _BLOCK.finditer(text)]
    ends = [*(start for _, start in starts[1:]), len(text)]
    kept = [
        (name, text[start:end].rstrip("\n"))
        for (name, start), end in zip(starts, ends, strict=True)
        if name != old_id
    ]
    place = sum(1 for name, _ in kept if name < record.id)
    kept.insert(place, (record.id, render_model(record).rstrip("\n")))
    head = text[: starts[0][1]] if starts else text.rstrip("\n") + "\n"
    return head + "\n\n".join(block for _, block in kept) + "\n"


def _with_source(text: str) -> str:
    """The catalogue with the Hub among its sources, in the order of the keys."""
    lines = text.splitlines(keepends=True)
    first = lines.index("sources:\n") + 1
    last = next((n for n, line in enumerate(lines[first:], first) if line[0] != " "), len(lines))
    if any(line.startswith(f"  {HUB_SOURCE}:") for line in lines[first:last]):
        return text
    place = next((n for n in range(first, last) if lines[n] > _SOURCE), last)
    return "".join([*lines[:place], _SOURCE, *lines[place:]])


def _find(name: str, models: Sequence[Model]) -> Model | None:
    wanted = name.lower()
    named = (model for model in models if wanted in (model.id.lower(), *model.short_names))
    return next(named, None)


def _record(known: Model | None, checkpoint: Checkpoint, models: Sequence[Model]) -> Model:
    try:
        found = model_of(checkpoint)
    except UnsupportedModelError:
        if known is None:
            raise
        # Facts that a person worked out need not be derived again to pin their commit.
        return replace(known, revision=checkpoint.commit, gated=checkpoint.gated)
    return _merged(known, found) if known else _with_free_name(found, models)


def _with_free_name(found: Model, models: Sequence[Model]) -> Model:
    if _find(found.name, models) is None:
        return found
    return replace(found, short_names=(found.id.replace("/", "-").lower(),))


def _merged(known: Model, found: Model) -> Model:
    context = min(known.recommended.context, found.architecture.max_position_embeddings)
    merged = replace(
        found,
        short_names=known.short_names,
        license=known.license if found.license in ("unknown", "other") else found.license,
        task=known.task,
        recommended=replace(known.recommended, context=context),
        vllm_args=known.vllm_args,
        vllm_min=known.vllm_min,
        sources=(*(source for source in known.sources if source != HUB_SOURCE), HUB_SOURCE),
        notes=(*known.notes, *(note for note in found.notes if note not in known.notes)),
    )
    if found.confidence != "low":
        return merged
    # Without headers the Hub knows the weights no better than the catalogue.
    return replace(
        merged,
        parameters=known.parameters,
        weights_bytes=known.weights_bytes,
        architecture=known.architecture,
        confidence=known.confidence,
        notes=known.notes,
    )


def _dated(model: Model, today: date) -> Model:
    written = tuple(note for note in model.notes if not _DATED.fullmatch(note))
    return replace(model, notes=(*written, f"locked on {today.isoformat()}"))


def _write_checked(catalogue: Path, text: str) -> None:
    """Put the new file in place only when it reads back, and in one step."""
    draft = catalogue.with_name(f".{catalogue.name}.draft")
    try:
        draft.write_text(text, encoding="utf-8")
        read_models(draft)
        draft.replace(catalogue)
    finally:
        draft.unlink(missing_ok=True)


def _from_hub(model: str, revision: str) -> Checkpoint:
    # Planning a locked model must not pay for importing the client of the Hub.
    from planning.hub import look_up  # noqa: PLC0415

    return look_up(model, revision)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `lock` from a command line; 0 when the model is pinned, 1 when it cannot be."""
    parser = argparse.ArgumentParser(
        prog="lock", description="Pin a model and its facts in the catalogue."
    )
    parser.add_argument("model", help="Hugging Face repository id, or a short name")
    parser.add_argument("--revision", default="main", help="branch, tag or commit (default: main)")
    parser.add_argument("--catalogue", type=Path, default=MODELS_FILE, help="file to write")
    asked = parser.parse_args(arguments)
    try:
        done = lock(asked.model, asked.catalogue, asked.revision)
    except (HubError, UnsupportedModelError, CatalogError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    changed = "updated" if done.has_changed else "already holds"
    verb = "added" if done.is_new else changed
    print(f"{asked.catalogue.name}: {verb} {done.model.id} at {done.model.revision}")
    return 0
