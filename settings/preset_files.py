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
    document: Any = _document(path, _text(path))
    match document:
        case {"presets": [*presets], **others} if not others:
            return presets
        case _:
            raise PresetFileError(path, "has another shape", "write 'presets:' and a list below it")


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        wrong, remedy = f"cannot be read ({error.strerror})", "name a file in the project's folder"
    except UnicodeDecodeError:
        wrong, remedy = "is no text in UTF-8", "save it as that"
    except ValueError:
        wrong, remedy = "cannot be read (no file has such a name)", "name one that exists"
    raise PresetFileError(path, wrong, remedy)


def _document(path: str, text: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where else ""
        wrong, remedy = f"is no YAML{line}", "correct what stands there"
    except ValueError:
        wrong, remedy = "holds a date or number that does not exist", "put such a text in quotes"
    except RecursionError:
        wrong, remedy = "is nested too deep", "write 'presets:' and a list below it"
    raise PresetFileError(path, wrong, remedy)
