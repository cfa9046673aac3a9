"""The program that writes the server's file of API keys, on files as a Secret's volume has them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from manifests.api_keys import WRITE_KEYS


def write_keys(folder: Path, *contents: str) -> subprocess.CompletedProcess[str]:
    """Run the init container's program on files as a Secret's volume holds them."""
    sources: list[str] = []
    for index, content in enumerate(contents):
        source = folder / f"entry-{index}"
        source.write_text(content)
        sources.append(str(source))
    command = [sys.executable, "-c", WRITE_KEYS, str(folder / "vllm.yaml"), *sources]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_file_holds_every_key_and_is_for_the_server_alone(tmp_path: Path) -> None:
    assert write_keys(tmp_path, "first\nsecond\n", "0123\n").returncode == 0
    file = tmp_path / "vllm.yaml"
    assert json.loads(file.read_text()) == {"api-key": ["first", "second", "0123"]}
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", ["", "\n", "--served-model-name"])
def test_a_secret_without_a_key_stops_the_pod_instead_of_opening_it(
    tmp_path: Path, content: str
) -> None:
    done = write_keys(tmp_path, content)
    assert done.returncode != 0
    assert "the Secret holds no API key" in done.stderr
    assert not (tmp_path / "vllm.yaml").exists()
