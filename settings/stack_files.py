"""Stack files as Pulumi hands them to the program, for commands and tests that run without it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PROJECT = "mistral-vllm"


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFile:
    """The project's keys of a stack file: their text, and which of them are encrypted."""

    raw: dict[str, str]
    secret: frozenset[str]


def read_stack_file(path: Path) -> StackFile:
    """Read the project's keys; the text of an encrypted one is empty, since it cannot be known.

    Raises:
        OSError: the file cannot be read.
    """
    document: Any = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    config: dict[str, Any] = document.get("config") or {}
    prefix = f"{PROJECT}:"
    values = {
        key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)
    }
    secret = frozenset(key for key, value in values.items() if _is_encrypted(value))
    raw = {key: "" if key in secret else _text(value) for key, value in values.items()}
    return StackFile(raw=raw, secret=secret)


def _is_encrypted(value: object) -> bool:
    return isinstance(value, dict) and "secure" in value


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
