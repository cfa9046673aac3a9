"""Presets from a file, so that stacks of one cluster share them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from settings.mistakes import Mistake


class PresetFileError(ValueError):
    """A preset file that cannot be read as a list of presets."""

    def __init__(self, path: str, wrong: str, remedy: str) -> None:
        super().__init__(wrong)
        self.mistake = Mistake(
            key="presets",
            wrong=f"the file '{path}' {wrong}",
            rule="a preset file is YAML with the one key 'presets', a list",
            remedy=remedy,
        )


def read_presets(path: str) -> list[Any]:
    """Read the list under the one key `presets` of a YAML file.

    Args:
        path: relative to the project's folder, which is where Pulumi runs the program.

    Raises:
        PresetFileError: the file is missing, is no YAML, or has another shape.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise PresetFileError(
            path, f"cannot be read ({error.strerror})", "name a file in the project's folder"
        ) from None
    try:
        document: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where else ""
        raise PresetFileError(path, f"is no YAML{line}", "correct what stands there") from None
    match document:
        case {"presets": [*presets]} if len(document) == 1:
            return presets
        case _:
            raise PresetFileError(path, "has another shape", "write 'presets:' and a list below it")
