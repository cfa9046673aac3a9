"""Versions, read from where they are pinned so that each is stated in one place."""

import re
from pathlib import Path

TOOLS = Path(__file__).resolve().parent

_REQUIREMENT = re.compile(
    r"^(?:require[ \t]+|[ \t]+)(?P<path>\S+)[ \t]+(?P<version>v\S+)"
    r"(?:[ \t]*//[ \t]*(?P<comment>\S+))?",
    re.M,
)
_GO_LINE = re.compile(r"^go\s+(?P<version>\S+)$", re.M)


def module_version(module: str, path: str) -> str:
    """Version that `tools/<module>/go.mod` requires of the Go module `path`, as in `v1.36.4`.

    Raises:
        KeyError: the go.mod does not require it.
    """
    return _requirement(module, path)["version"]


def released_version(module: str, path: str) -> str:
    """Version without the `v` under which `path` is released, as in `4.25.0`.

    A pseudo-version is followed in go.mod by a comment with the tag of the same commit.

    Raises:
        KeyError: the go.mod does not require it.
    """
    requirement = _requirement(module, path)
    comment = requirement["comment"] or ""
    tag = comment if comment.startswith("v") else requirement["version"]
    return tag.removeprefix("v")


def go_version(module: str) -> str:
    """Oldest Go release that `tools/<module>/go.mod` accepts, as in `1.26.8`.

    Raises:
        KeyError: the go.mod has no go line.
    """
    found = _GO_LINE.search(_go_mod(module))
    if found is None:
        raise KeyError(f"tools/{module}/go.mod has no go line")
    return found["version"]


def package_version(directory: str, name: str) -> str:
    """Version that `tools/<directory>/requirements.txt` pins a Python package to.

    Raises:
        KeyError: the file does not pin it.
    """
    text = (TOOLS / directory / "requirements.txt").read_text(encoding="utf-8")
    found = re.search(rf"^{re.escape(name)}==(\S+)$", text, re.M)
    if found is None:
        raise KeyError(f"tools/{directory}/requirements.txt does not pin {name}")
    return found[1]


def _requirement(module: str, path: str) -> re.Match[str]:
    for found in _REQUIREMENT.finditer(_go_mod(module)):
        if found["path"] == path:
            return found
    raise KeyError(f"tools/{module}/go.mod does not require {path}")


def _go_mod(module: str) -> str:
    return (TOOLS / module / "go.mod").read_text(encoding="utf-8")
