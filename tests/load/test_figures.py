"""Figures that a test measured are seen in a run that hides what tests print."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.pulumi_project import ROOT

TEST = """
def test_that_passes(figures):
    figures.append("five replicas after 9.0 s")
"""


def test_figures_of_a_test_that_passes_are_shown_once_under_a_heading(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    here = (f"--rootdir={tmp_path}", f"--config-file={tmp_path}/pytest.ini")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.load.conftest", *here, tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    _, _, shown = done.stdout.partition("measured under load")
    assert "five replicas after 9.0 s" in shown
    assert done.stdout.count("five replicas after 9.0 s") == 1
