"""From the raw text of a stack config to typed settings, with every mistake at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from settings.credentials import has_user_info, may_be_shown
from settings.mistakes import Mistake, did_you_mean
from settings.models import StackSettings, decode
from settings.preset_files import PresetFileError, read_presets
from settings.rules import check, top_level
from settings.secret_keys import SECRET_KEYS, value_mistakes
from settings.values import plain_to_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """Settings where they could be read, and every mistake that was found."""

    settings: StackSettings | None
    mistakes: tuple[Mistake, ...]


def parse(raw: Mapping[str, str], *, secret: frozenset[str]) -> Parsed:
    """Read a stack config.

    Args:
        raw: every key of the project's namespace with its text; that of an encrypted one is
            empty where it cannot be known.
        secret: the keys of `raw` that are encrypted in the stack file.
    """
    mistakes = [*_secrecy_mistakes(raw, secret), *value_mistakes(raw)]
    hidden = SECRET_KEYS.keys() | secret
    values = decode({key: value for key, value in raw.items() if key not in hidden})
    presets = values.get("presets")
    if isinstance(presets, str):
        try:
            values["presets"] = read_presets(presets)
        except PresetFileError as error:
            mistakes.append(error.mistake)
            del values["presets"]
    settings: StackSettings | None = None
    try:
        settings = StackSettings.model_validate(values)
    except ValidationError as error:
        known = {m.key for m in mistakes} | {key for key in secret if key in raw}
        details = error.errors(include_url=False)
        mistakes += [m for d in details if (m := _mistake(d, values)).key not in known]
        settings = _without_mistaken(values, details)
    if settings is not None:
        mistaken = {top_level(mistake.key) for mistake in mistakes}
        mistakes += check(settings, secrets=SECRET_KEYS.keys() & raw.keys(), skip=mistaken)
    complete = settings if not mistakes else None
    return Parsed(settings=complete, mistakes=tuple(sorted(mistakes)))


def _secrecy_mistakes(raw: Mapping[str, str], secret: frozenset[str]) -> list[Mistake]:
    found = [
        Mistake(
            key=key,
            wrong="is in clear in the stack file",
            rule="its value is a secret",
            remedy=f"set it again with 'pulumi config set --secret {key}', and revoke this one",
        )
        for key in sorted((SECRET_KEYS.keys() & raw.keys()) - secret)
    ]
    found += [
        Mistake(
            key=key,
            wrong="holds an encrypted value",
            rule=f"only {' and '.join(sorted(SECRET_KEYS))} may be secret, since Pulumi writes a "
            "secret inside another key into its state in clear",
            remedy=_BY_REFERENCE.get(key, "write the value in clear, if it is no secret"),
        )
        for key in sorted((secret & raw.keys()) - SECRET_KEYS.keys())
    ]
    return found


_BY_REFERENCE = {
    "extraEnv": "write {name: SECRET, key: ENTRY} as the variable's value, for a Secret that exists"
}


def _without_mistaken(
    values: Mapping[str, object], details: list[ErrorDetails]
) -> StackSettings | None:
    """Settings with each mistaken top-level key left at its default, to check the rest of them."""
    wrong = {str(detail["loc"][0]) for detail in details if detail["loc"]}
    rest = {key: value for key, value in values.items() if key not in wrong}
    stand_ins: dict[str, object] = {"model": "unknown/unknown", "presets": []}
    try:
        return StackSettings.model_validate(stand_ins | rest)
    except ValidationError:
        return None


def _mistake(detail: ErrorDetails, values: Mapping[str, object]) -> Mistake:
    location = detail["loc"]
    match detail["type"]:
        case "extra_forbidden":
            return _unknown_key(location)
        case "missing":
            return Mistake(
                key=_path(location),
                wrong="is missing",
                rule="it has no default",
                remedy="set it in the stack file",
            )
        case kind:
            value = _value_at(values, location)
            rule, remedy = _rule(kind, detail, value)
            shown = "its value" if location[0] in _NEVER_SHOWN else _shown(value)
            return Mistake(
                key=_path(location),
                wrong=f"{shown} is refused",
                rule=rule,
                remedy=remedy,
            )


def _unknown_key(location: tuple[int | str, ...]) -> Mistake:
    known = _keys_beside(location)
    near = did_you_mean(str(location[-1]), known)
    return Mistake(
        key=_path(location),
        wrong="is not a key",
        rule="unknown keys are refused" if near else f"the keys here are {_listed(known)}",
        remedy=f"did you mean '{near}'?" if near else "remove it",
    )


def _rule(kind: str, detail: ErrorDetails, value: object) -> tuple[str, str]:
    context = detail.get("ctx", {})
    if kind == "literal_error":
        near = did_you_mean(str(value), re.findall("'([^']*)'", str(context["expected"])))
        remedy = f"did you mean '{near}'?" if near else "choose one of them"
        return f"it is {context['expected']}", remedy
    if kind == "rule":
        return f"it {context['message']}", str(context["remedy"])
    bounds = {name: plain_to_text(bound) for name, bound in context.items()}
    remedy = _remedy_of_shape(kind, detail["loc"], value) or _REMEDIES.get(kind, _OTHERWISE)
    return _sentence(detail["msg"]), remedy.format(**bounds)


def _remedy_of_shape(kind: str, location: tuple[int | str, ...], value: object) -> str | None:
    """What to write where one shape of YAML stands for another, if the key itself decides that."""
    if kind == "string_type" and isinstance(value, list | dict):
        return "write one text"
    keys = _keys_beside((*location, "")) if kind in {"model_type", "tuple_type"} else []
    if not keys or "enabled" in keys:
        return None
    if kind == "model_type":
        return f"write its keys below it, which are {_listed(keys)}"
    return f"write a list of sections, whose keys are {_listed(keys)}"


_REMEDIES = {
    "bool_parsing": "write true or false",
    "bool_type": "write true or false",
    "dict_type": "write keys and values below it, as in {{team: search}}",
    "finite_number": "write a number, such as 0.9",
    "float_parsing": "write a number, such as 0.9",
    "float_type": "write a number, such as 0.9",
    "greater_than": "write a number above {gt}",
    "greater_than_equal": "write {ge} or more",
    "int_from_float": "write a number without decimals",
    "int_parsing": "write a number without decimals, such as 2",
    "int_type": "write a number without decimals, such as 2",
    "int_parsing_size": "write a smaller number",
    "invalid_key": "put the key in quotes",
    "less_than_equal": "write {le} or less",
    "model_type": "write its keys below it, as in {{enabled: false}}",
    "string_too_long": "shorten it to {max_length} characters",
    "string_type": "put the value in quotes",
    "string_unicode": "remove the half of a character that it holds",
    "tuple_type": "write a list, as in [one, two]",
}
"""What to write instead, by pydantic's kind of mistake."""

_OTHERWISE = "docs/configuration.md says what the key takes"

_LONGEST_SHOWN = 200
"""Characters of a value that a message repeats."""

_NEVER_SHOWN = frozenset({"extraEnv"})
"""Keys whose values may be secrets that nothing tells from others."""


_SHAPES = {
    "Input should be a valid tuple": "it is a list",
    "Input should be a valid dictionary": "it is a section of keys",
    "Input should be a valid string": "it is a text, in quotes where YAML reads something else",
}
"""How pydantic begins to name the shapes of YAML, and how people call them."""


def _sentence(message: str) -> str:
    for beginning, said in _SHAPES.items():
        if message.startswith(beginning):
            return said
    if message.startswith("Input should be"):
        return message.replace("Input should be", "it is", 1)
    return message[:1].lower() + message[1:]


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def _value_at(values: object, location: tuple[int | str, ...]) -> object:
    value = values
    for part in location:
        if isinstance(value, Mapping):
            value = cast("Mapping[str, object]", value).get(str(part))
        elif isinstance(value, list) and isinstance(part, int):
            sequence = cast("list[object]", value)
            value = sequence[part] if part < len(sequence) else None
    return cast("object", value)


def _shown(value: object) -> str:
    """The value as a message may print it: something that looks like a secret is left out."""
    text = repr(value)
    if has_user_info(text):
        return "an address with a password"
    if not may_be_shown(text):
        return "a value that looks like a secret"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    """The keys that a section knows, found by walking the models along an error's location."""
    section: type[BaseModel] = StackSettings
    for part in location[:-1]:
        by_alias = {field.alias or name: field for name, field in section.model_fields.items()}
        if part not in by_alias:  # a place in a list, or a name that the user chose
            continue
        inner = _section_of(by_alias[part])
        if inner is None:
            return []
        section = inner
    keys = [field.alias or name for name, field in section.model_fields.items()]
    return sorted([*keys, *SECRET_KEYS] if section is StackSettings else keys)


def _section_of(field: FieldInfo) -> type[BaseModel] | None:
    pending: list[Any] = [field.annotation]
    while pending:
        annotation = pending.pop()
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return annotation
        pending += [
            argument for argument in get_args(annotation) if argument not in (NoneType, ...)
        ]
    return None


def _listed(words: list[str]) -> str:
    return ", ".join(words) if words else "none"
