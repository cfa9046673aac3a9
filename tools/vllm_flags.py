"""Lists the flags of `vllm serve` in each given wheel, without importing vLLM or torch.

The parser of vLLM is built from literal `add_argument` calls and from the fields of its config
dataclasses, so reading the syntax tree is exact. The result, one JSON file per version, is what the
planner checks a command against.

    pip download --no-deps --only-binary :all: vllm==0.31.0
    python tools/vllm_flags.py vllm-0.31.0-*.whl
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

FLAG_LISTS = Path(__file__).resolve().parent.parent / "catalog" / "vllm_flags"

FlagKind = Literal["bool", "switch", "optional", "value"]

# Where `vllm serve` assembles its parser. The file that defines `make_arg_parser` has moved twice
# (openai/, launchers/, common/), hence the pattern.
_ENGINE = "vllm/engine/arg_utils.py"
_SERVE_COMMAND = "vllm/entrypoints/cli/serve.py"
_FRONTEND = "vllm/entrypoints/*cli_args.py"
_CONFIGS = "vllm/config*.py"

# typing and pydantic wrappers that argparse never sees: the first argument is the type.
_WRAPPERS = frozenset({"Annotated", "SkipValidation", "InitVar", "Optional"})


@dataclass(frozen=True)
class ParserFlag:
    """One option of the parser: its spellings, the long canonical one first, and what it takes."""

    spellings: tuple[str, ...]
    kind: FlagKind


class UnreadableWheelError(ValueError):
    """The wheel does not build its parser in a way that this script understands."""


def serve_flags(sources: Mapping[str, str]) -> tuple[ParserFlag, ...]:
    """List the options of `vllm serve` from {path in the wheel: source text}, sorted by name.

    Raises UnreadableWheelError when the parser cannot be resolved completely: a list with holes
    would call correct flags unknown.
    """
    trees = {path: ast.parse(text) for path, text in sources.items()}
    parsers = [tree for path, tree in trees.items() if _builds_the_parser(path, sources[path])]
    if len(parsers) != 3:
        message = f"expected {_ENGINE}, {_SERVE_COMMAND} and one {_FRONTEND}, found {len(parsers)}"
        raise UnreadableWheelError(message)
    classes = {
        node.name: node
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    flags = [flag for tree in parsers for flag in _literal_flags(tree, classes)]
    flags += [
        ParserFlag((f"--{name.replace('_', '-')}",), _kind_of_type(annotation))
        for name, annotation in _fields(classes, "FrontendArgs").items()
    ]
    return tuple(sorted(flags, key=lambda flag: flag.spellings))


def _builds_the_parser(path: str, text: str) -> bool:
    return path in {_ENGINE, _SERVE_COMMAND} or (
        fnmatch(path, _FRONTEND) and "def make_arg_parser" in text
    )


def _literal_flags(tree: ast.Module, classes: Mapping[str, ast.ClassDef]) -> Iterator[ParserFlag]:
    assigned = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and _called_name(call) == "add_argument"):
            continue
        spellings = [
            argument.value
            for argument in call.args
            if isinstance(argument, ast.Constant)
            and isinstance(argument.value, str)
            and argument.value.startswith("-")
        ]
        if spellings:
            spellings.sort(key=lambda spelling: not spelling.startswith("--"))
            yield ParserFlag(tuple(spellings), _kind_of_call(call, assigned, classes))


def _kind_of_call(
    call: ast.Call, assigned: Mapping[str, ast.expr], classes: Mapping[str, ast.ClassDef]
) -> FlagKind:
    for keyword in call.keywords:
        written = ast.unparse(keyword.value)
        if keyword.arg == "action" and written.endswith("BooleanOptionalAction"):
            return "bool"
        if keyword.arg == "action" and written in {"'store_true'", "'store_false'"}:
            return "switch"
        if keyword.arg == "nargs" and written == "'?'":
            return "optional"
        if keyword.arg is None:
            return _kind_of_type(_field_behind(keyword.value, assigned, classes))
    return "value"


def _field_behind(
    expression: ast.expr, assigned: Mapping[str, ast.expr], classes: Mapping[str, ast.ClassDef]
) -> ast.expr:
    """Follow `**kwargs["field"]`, through variables and dict copies, to the field's annotation."""
    match expression:
        case ast.Name(id=name) if name in assigned:
            return _field_behind(assigned[name], assigned, classes)
        case ast.Dict(keys=[None, *_], values=[copied, *_]):
            return _field_behind(copied, assigned, classes)
        case ast.Subscript(value=group, slice=ast.Constant(value=str(field))):
            call = assigned.get(group.id) if isinstance(group, ast.Name) else group
            match call:
                case ast.Call(args=[ast.Name(id=config)]) if "get_kwargs" in ast.unparse(call.func):
                    annotation = _fields(classes, config).get(field)
                    if annotation is not None:
                        return annotation
                case _:
                    pass
        case _:
            pass
    message = f"cannot tell the type behind `**{ast.unparse(expression)}`"
    raise UnreadableWheelError(message)


def _fields(classes: Mapping[str, ast.ClassDef], name: str) -> dict[str, ast.expr]:
    if name not in classes:
        message = f"the config class {name} is not in the wheel's config modules"
        raise UnreadableWheelError(message)
    found: dict[str, ast.expr] = {}
    for base in classes[name].bases:
        if isinstance(base, ast.Name) and base.id in classes:
            found |= _fields(classes, base.id)
    for node in classes[name].body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node.annotation
    return found


def _kind_of_type(annotation: ast.expr) -> FlagKind:
    types = set(_union_members(annotation))
    if types == {"bool", "str", "None"}:
        return "optional"
    return "bool" if "bool" in types else "value"


def _union_members(annotation: ast.expr) -> Iterator[str]:
    match annotation:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            yield from _union_members(left)
            yield from _union_members(right)
        case ast.Subscript(value=ast.Name(id="Union"), slice=ast.Tuple(elts=members)):
            for member in members:
                yield from _union_members(member)
        case ast.Subscript(value=ast.Name(id=wrapper), slice=inner) if wrapper in _WRAPPERS:
            first = inner.elts[0] if isinstance(inner, ast.Tuple) else inner
            yield from _union_members(first)
        case ast.Constant(value=str(quoted)):
            yield from _union_members(ast.parse(quoted, mode="eval").body)
        case _:
            yield ast.unparse(annotation)


def _called_name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def flag_list(version: str, wheel: str, sha256: str, flags: tuple[ParserFlag, ...]) -> str:
    """Render the list as JSON, the same bytes for the same wheel."""
    body = {
        "flags": {flag.spellings[0]: flag.kind for flag in flags},
        "other_spellings": {
            other: flag.spellings[0] for flag in flags for other in flag.spellings[1:]
        },
        "sha256": sha256,
        "version": version,
        "wheel": wheel,
    }
    return json.dumps(body, indent=1, sort_keys=True) + "\n"


def read_wheel(wheel: Path) -> tuple[str, dict[str, str]]:
    """Read a wheel's version and the sources that its parser is built from."""
    with zipfile.ZipFile(wheel) as archive:
        wanted = [
            name
            for name in archive.namelist()
            if name in {_ENGINE, _SERVE_COMMAND}
            or fnmatch(name, _CONFIGS)
            or fnmatch(name, _FRONTEND)
        ]
        sources = {name: archive.read(name).decode() for name in sorted(wanted)}
    # PEP 427: {distribution}-{version}-{tags}.whl
    return wheel.name.split("-")[1], sources


def main(wheels: list[str]) -> int:
    """Write one list per wheel; 2 when no wheel is named."""
    if not wheels:
        print("usage: python tools/vllm_flags.py WHEEL...", file=sys.stderr)
        return 2
    for wheel in map(Path, wheels):
        version, sources = read_wheel(wheel)
        flags = serve_flags(sources)
        with wheel.open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
        target = FLAG_LISTS / f"{version}.json"
        target.write_text(flag_list(version, wheel.name, sha256, flags), encoding="utf-8")
        longs = sum(s.startswith("--") for flag in flags for s in flag.spellings)
        negations = sum(flag.kind == "bool" for flag in flags)
        print(f"{target.name}: {longs + negations} long spellings, {negations} of them --no-")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
