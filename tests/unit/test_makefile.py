"""The recipes of the Makefile where the engine is not installed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder whose programs write down how they are called, and that lacks the engine."""
    record = f'echo "$(basename "$0") $*" >> {tmp_path}/calls'
    for name in ("pulumi", "python", "python3"):
        program(tmp_path / "bin" / name, record)
    program(tmp_path / ".venv/bin/python", f'{record}; [ "$2" != tools.environment ] || echo :')
    program(tmp_path / "without-engine", "echo 'env: pulumi: not installed' >&2; exit 1")
    (tmp_path / "Pulumi.dev.yaml").touch()
    return tmp_path


def make(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    installed = ("--old-file=packages", "--old-file=engine", f"PYTHON={clone}/without-engine")
    return subprocess.run(
        ["make", f"--makefile={ROOT}/Makefile", *installed, *arguments],
        cwd=clone,
        env={"PATH": f"{clone}/bin{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def calls(clone: Path) -> list[str]:
    file = clone / "calls"
    return file.read_text().splitlines() if file.exists() else []


@pytest.mark.parametrize("target", ["preview", "destroy", "up"])
def test_a_recipe_ends_where_the_environment_cannot_be_made(clone: Path, target: str) -> None:
    done = make(clone, target)
    assert done.returncode != 0
    assert "env: pulumi: not installed" in done.stderr
    assert calls(clone) == []


def test_a_diagnosis_needs_no_engine_and_runs_in_the_virtual_environment(clone: Path) -> None:
    done = make(clone, "diagnose", "STACK=prod")
    assert done.returncode == 0, done.stderr
    assert calls(clone) == [
        "python -m tools.environment --cluster",
        "python -m cluster diagnose --stack prod",
    ]
