"""The Hub stand-in without any Hugging Face setting of the user, and the download's program."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from huggingface_hub import constants

from planning.hub_retry import Patience
from tests.hub.downloads import Program
from tests.hub.repositories import READER, STRANGER
from tests.hub.stand_in import HubStandIn, running_hub

IMPATIENT = Patience(answer=10.0, pauses=(0.01, 0.02), total=60.0)
"""The same attempts without the pauses between them."""

HASTY = Patience(answer=0.2, pauses=(0.01, 0.02), total=10.0)
"""For a Hub that never answers; one that does may take longer on a busy machine."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[HubStandIn]:
    """A stand-in that HF_ENDPOINT points to, with two valid tokens and no token in use."""
    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING_FACE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(tmp_path / "tokens"))
    monkeypatch.setattr("planning.hub.HINT_PATIENCE", IMPATIENT)
    with running_hub(tokens=frozenset({READER, STRANGER})) as stand_in:
        monkeypatch.setenv("HF_ENDPOINT", stand_in.endpoint)
        yield stand_in


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(cache=tmp_path / "models")
