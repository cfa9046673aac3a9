"""Which module may import what, and how large modules and functions may be."""

import ast
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNLIMITED = {"tests"}
"""Top-level directories whose modules import what they like; hidden ones are not ours."""

SETTINGS = {"settings", "pydantic", "pydantic_core", "yaml"}
PLANNING = {"planning", "catalog", "settings"}
ALLOWED: dict[str, set[str]] = {
    "__main__.py": {"cluster", "components", "planning", "settings", "pulumi", "pulumi_kubernetes"},
    "settings": SETTINGS,
    "settings/pulumi_config.py": SETTINGS | {"pulumi"},
    "catalog": {"catalog", "yaml"},
    "planning": PLANNING,
    "planning/outputs.py": PLANNING | {"pydantic"},
    "planning/hub.py": PLANNING | {"huggingface_hub", "httpx2"},
    "manifests": {"manifests", "planning", "pulumi", "pulumi_kubernetes"},
    "components": {"components", "manifests", "planning", "pulumi", "pulumi_kubernetes"},
    "cluster": {"cluster", "planning", "settings", "lightkube", "httpx2"},
    "cluster/client.py": {"lightkube", "httpx2", "yaml"},
    "cluster/end_of_rollout.py": {"cluster", "planning", "lightkube", "pulumi"},
    "cluster/former_route.py": {"cluster", "planning", "lightkube", "pulumi"},
    # Runs in vLLM's image, without anything else of this repository.
    "downloader": {"downloader", "huggingface_hub"},
    "sandbox": {"sandbox", "tools", "yaml"},
    # Runs before there is a virtual environment.
    "tools": {"tools"},
    "benchmarks/up.py": {"tests"},
    "benchmarks/bare/__main__.py": {"pulumi", "pulumi_kubernetes"},
    "benchmarks": {"benchmarks", "catalog", "planning", "settings", "yaml"},
    # Runs with nothing installed.
    "examples/chat.py": set(),
    # A project of its own, which shares no module with the program.
    "examples": {"client", "contract", "pulumi", "pulumi_kubernetes"},
    "docs": {"docs", "benchmarks", *PLANNING, "yaml", "pydantic", "pydantic_core"},
}
"""Packages beside the standard library, by file or by top-level directory; a file goes first."""

MODULE_LINES = 300
FUNCTION_LINES = 40
CONSTRUCTOR_LINES = 60
PROGRAM_LINES = 40


def modules() -> dict[str, str]:
    """The source of every module by its path, but for those of the tests."""
    return sources(
        path for path in ROOT.iterdir() if path.name[0] != "." and path.name not in UNLIMITED
    )


def sources(tops: Iterable[Path]) -> dict[str, str]:
    paths = [path for top in tops for path in (top.rglob("*.py") if top.is_dir() else [top])]
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for path in sorted(paths)
        if path.suffix == ".py"
    }


def imported(source: str) -> Iterator[tuple[str, int]]:
    """Every top-level package that is imported anywhere in the source, with the line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = (node.module or "").partition(".")[0]
            yield (name if not node.level else "a relative import", node.lineno)


def allowed(path: str) -> set[str]:
    return ALLOWED[path] if path in ALLOWED else ALLOWED[path.partition("/")[0]]


def forbidden_imports(path: str, source: str) -> list[str]:
    return [
        f"{path}:{line} imports {name}"
        for name, line in imported(source)
        if name not in allowed(path) | sys.stdlib_module_names
    ]


def dynamic_imports(path: str, source: str) -> list[str]:
    return [
        f"{path}:{node.lineno} imports by name"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"__import__", "importlib.import_module", "import_module"}
    ]


def registrations(path: str, source: str) -> list[str]:
    """Resource classes that a builder could register; what it may build ends in `Args`."""
    return [
        f"{path}:{node.lineno} imports {alias.name}"
        for node in ast.walk(ast.parse(source))
        if path.startswith("manifests/")
        and isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("pulumi")
        for alias in node.names
        if not alias.name.endswith("Args")
    ]


def oversized(path: str, source: str) -> list[str]:
    lines = source.count("\n")
    limit = PROGRAM_LINES if path == "__main__.py" else MODULE_LINES
    found = [f"{path} has {lines} lines of {limit}"] if lines > limit else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            constructor = path.startswith("components/") and node.name == "__init__"
            limit = CONSTRUCTOR_LINES if constructor else FUNCTION_LINES
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > limit:
                found.append(f"{path}:{node.lineno} {node.name} has {lines} lines of {limit}")
    return found


def found_by(check: Callable[[str, str], list[str]]) -> list[str]:
    return [line for path, source in modules().items() for line in check(path, source)]


def test_every_package_has_a_rule() -> None:
    packages = {path.partition("/")[0] for path in modules()}
    assert packages - set(ALLOWED) == set(), "say in ALLOWED what they may import"


def test_a_module_imports_only_what_its_package_may() -> None:
    assert "\n".join(found_by(forbidden_imports)) == ""


def test_no_module_hides_an_import_from_this_check() -> None:
    assert "\n".join(found_by(dynamic_imports)) == ""


def test_builders_register_no_resource() -> None:
    assert "\n".join(found_by(registrations)) == ""
    taken = "from pulumi_kubernetes.core.v1 import Service, ServiceSpecArgs"
    assert registrations("manifests/server.py", taken) == ["manifests/server.py:1 imports Service"]


def test_modules_and_functions_stay_small() -> None:
    assert "\n".join(found_by(oversized)) == ""


def test_modules_and_functions_of_tests_stay_as_small() -> None:
    found = sources([ROOT / "tests"])
    assert str(Path(__file__).relative_to(ROOT)) in found
    assert "\n".join(line for path in found for line in oversized(path, found[path])) == ""


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("settings/models.py", "import pulumi"),
        ("settings/pulumi_config.py", "import pulumi_kubernetes"),
        ("settings/models.py", "from planning.plan import Plan"),
        ("catalog/loader.py", "from settings.models import Preset"),
        ("planning/plan.py", "import pulumi_kubernetes.core.v1"),
        ("planning/plan.py", "from pulumi import Output"),
        ("planning/memory.py", "from huggingface_hub import HfApi"),
        ("planning/stack.py", "def late():\n    from components import VllmApp"),
        ("planning/stack.py", "from cluster.client import connect"),
        ("components/model_server.py", "import lightkube"),
        ("manifests/pod.py", "from components import VllmApp"),
        ("planning/stack.py", "from manifests.pod import pod_spec"),
        ("cluster/client.py", "import pulumi_kubernetes"),
        ("sandbox/core.py", "from planning.names import PORT"),
        ("tools/locate.py", "import yaml"),
        ("tools/locate.py", "from sandbox.state import Settings"),
        ("tools/locate.py", "from . import cache"),
        ("__main__.py", "import huggingface_hub"),
    ],
)
def test_an_import_against_the_direction_is_found(path: str, source: str) -> None:
    assert len(forbidden_imports(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("settings/pulumi_config.py", "import pulumi"),
        ("planning/hub.py", "from huggingface_hub import HfApi"),
        ("components/model_server.py", "from pulumi_kubernetes.core.v1 import Service"),
        ("cluster/client.py", "from lightkube import Client"),
        ("sandbox/core.py", "from tools import locate"),
        ("tools/locate.py", "import json.decoder"),
    ],
)
def test_an_import_in_the_direction_is_not(path: str, source: str) -> None:
    assert forbidden_imports(path, source) == []


@pytest.mark.parametrize("call", ["__import__('pulumi')", "importlib.import_module('pulumi')"])
def test_an_import_by_name_is_found(call: str) -> None:
    assert len(dynamic_imports("planning/plan.py", call)) == 1


def function(name: str, lines: int) -> str:
    return f"def {name}():\n" + "    pass\n" * (lines - 1)


@pytest.mark.parametrize(
    ("path", "longest"),
    [
        ("planning/plan.py", function("derive", 40)),
        ("components/model_server.py", function("__init__", 60)),
        ("cluster/client.py", function("__init__", 40)),
        ("planning/plan.py", "pass\n" * 300),
        ("__main__.py", "pass\n" * 40),
    ],
)
def test_one_line_more_than_the_limit_is_found(path: str, longest: str) -> None:
    last = longest.splitlines()[-1]
    assert oversized(path, longest) == []
    assert len(oversized(path, f"{longest}{last}\n")) == 1
