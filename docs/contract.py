"""The outputs contract as JSON schema, and what a change of it would break."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from docs.tables import ROOT
from planning.outputs import CONTRACT_VERSION, StackOutputs

SCHEMA_FILE = ROOT / "schemas" / f"outputs-v{CONTRACT_VERSION}.json"

_WORDS = frozenset({"description", "title"})
"""Keywords that mean nothing to a validator."""

Schema = Mapping[str, object]


class BrokenContractError(ValueError):
    """The code breaks the committed contract; the message is one sentence for each breach."""


class _AbsentNotNull(GenerateJsonSchema):
    """Writes an optional field as one that may be absent, and never null."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - the generator hands it over
        return False


def contract_schema() -> dict[str, object]:
    """Describe the outputs in JSON schema's dialect of 2020-12."""
    schema = StackOutputs.model_json_schema(schema_generator=_AbsentNotNull, mode="serialization")
    return {"$schema": _AbsentNotNull.schema_dialect, **schema}


def breaches(old: Schema, new: Schema) -> list[str]:
    """Say in a sentence each what a consumer that relies on `old` would miss in `new`.

    A field may be added, may become required, and may change its description.
    """
    had, has = _properties(old), _properties(new)
    found = [f"'{name}' is gone" for name in sorted(had.keys() - has.keys())]
    found += [
        f"'{name}' was {_type(had[name])} and is {_type(has[name])}"
        for name in sorted(had.keys() & has.keys())
        if _meaning(had[name]) != _meaning(has[name])
    ]
    may_be_absent = (_required(old) & has.keys()) - _required(new)
    return [*found, *(f"'{name}' may be absent" for name in sorted(may_be_absent))]


def schema_text(path: Path = SCHEMA_FILE) -> str:
    """Give the text of the schema's file as the code has it.

    Raises:
        BrokenContractError: it would break consumers of the file that is there.
    """
    schema = contract_schema()
    if path.exists():
        found = breaches(json.loads(path.read_text(encoding="utf-8")), schema)
        if found:
            raise BrokenContractError(
                f"{'; '.join(found)}; a version is only ever added to, so keep the old field "
                "beside the new one, or raise CONTRACT_VERSION in planning/outputs.py"
            )
    return f"{json.dumps(schema, indent=2)}\n"


def _properties(schema: Schema) -> dict[str, Schema]:
    return cast("dict[str, Schema]", schema.get("properties", {}))


def _required(schema: Schema) -> set[str]:
    return set(cast("list[str]", schema.get("required", [])))


def _meaning(field: Schema) -> dict[str, object]:
    return {keyword: value for keyword, value in field.items() if keyword not in _WORDS}


def _type(field: Schema) -> str:
    return " ".join(f"{keyword} {value}" for keyword, value in _meaning(field).items())
