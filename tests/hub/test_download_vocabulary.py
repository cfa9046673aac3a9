"""The vocabulary that models in OpenAI's Harmony format need beside their repository."""

import subprocess
import sys

import pytest

from tests.hub.answers import Fault
from tests.hub.downloads import (
    CORRUPT,
    HUB_UNREACHABLE,
    MODEL,
    Program,
    assert_one_sentence,
    publish,
    seeded,
)
from tests.hub.repositories import COMMIT, READER, File, Repository
from tests.hub.stand_in import HubStandIn

FILE = File(head=seeded(5).randbytes(50_000), size=50_000, is_lfs=True)

PROGRAM = """
import sys
from downloader import __main__ as program, hub, vocabulary
from downloader.cache import Remote
hub.PAUSES = (0.01, 0.02)
vocabulary.SOURCE = "{endpoint}/storage/"
vocabulary.VOCABULARY = Remote(path="{digest}", size={size}, digest="{digest}")
sys.exit(program.main())
"""


@pytest.fixture
def vocabulary(hub: HubStandIn) -> File:
    """The file, where the program is told to look for it."""
    hub.add(Repository(id="openai/encodings", files={"file": FILE}))
    return FILE


def run(hub: HubStandIn, program: Program) -> subprocess.CompletedProcess[str]:
    text = PROGRAM.format(endpoint=hub.endpoint, digest=FILE.sha256, size=FILE.size)
    return subprocess.run(
        [sys.executable, "-c", text, *program.command("--harmony")],
        env=program.environment(HF_TOKEN=READER),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_it_is_fetched_once_beside_the_model_and_without_the_token(
    hub: HubStandIn, program: Program, vocabulary: File
) -> None:
    publish(hub)
    assert run(hub, program).returncode == 0
    found = program.cache / "encodings" / vocabulary.sha256
    assert found.read_bytes() == vocabulary.read(0, vocabulary.size)
    assert {r.token for r in hub.requests if r.path.endswith(vocabulary.sha256)} == {None}
    asked = len(hub.requests)
    again = run(hub, program)
    assert (again.returncode, again.stdout) == (0, f"{MODEL} at {COMMIT} is complete\n")
    assert len(hub.requests) == asked
    assert [file.name for file in found.parent.iterdir()] == [vocabulary.sha256]


def test_one_with_another_hash_is_not_accepted(
    hub: HubStandIn, program: Program, vocabulary: File
) -> None:
    publish(hub)
    wrong = b"x" * vocabulary.size
    hub.play(Fault(where=vocabulary.sha256, times=9, status=200, body=wrong))
    done = run(hub, program)
    assert_one_sentence(done, CORRUPT, "does not have the pinned hash")
    assert list((program.cache / "encodings").iterdir()) == []


def test_a_host_that_stays_away_is_named_with_the_place_for_a_file_by_hand(
    hub: HubStandIn, program: Program, vocabulary: File
) -> None:
    publish(hub)
    hub.play(Fault(where=vocabulary.sha256, times=99, status=404))
    done = run(hub, program)
    folder = program.cache / "encodings"
    assert_one_sentence(done, HUB_UNREACHABLE, f"no answer from {hub.endpoint}/storage/ after")
    assert f"into {folder}" in done.stderr
    hub.requests.clear()
    (folder / vocabulary.sha256).write_bytes(vocabulary.read(0, vocabulary.size))
    assert run(hub, program).returncode == 0
    assert hub.requests == []
