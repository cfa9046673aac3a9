"""One module talks to the Hub."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLIENTS = {"huggingface_hub", "httpx2"}


def imported(source: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_only_one_module_imports_a_client_of_the_hub() -> None:
    program = [
        path
        for path in ROOT.rglob("*.py")
        if not {"tests", ".venv", ".state"} & set(path.relative_to(ROOT).parts)
    ]
    found = {str(path.relative_to(ROOT)) for path in program if CLIENTS & imported(path)}
    assert found == {"planning/hub.py"}
