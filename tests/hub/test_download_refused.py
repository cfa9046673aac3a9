"""What ends the program of the download Job: access, a name that is not there, a full volume."""

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.hub.answers import Fault
from tests.hub.downloads import (
    DISK_FULL,
    HF_FILES,
    MIB,
    MODEL,
    NO_ACCESS,
    NOT_FOUND,
    Program,
    assert_one_sentence,
    ended,
    expected,
    publish,
    weights,
)
from tests.hub.repositories import COMMIT, READER, STRANGER, json_file
from tests.hub.stand_in import HubStandIn


@pytest.mark.parametrize(
    ("token", "code", "sentence"),
    [
        ("hf_expired", NO_ACCESS, "refuses the token (HTTP 401)"),
        ("hf_with a blank", NO_ACCESS, "the token holds spaces"),
        (STRANGER, NO_ACCESS, f"{MODEL} at {COMMIT} is gated, and the token may not read it"),
        ("", NO_ACCESS, f"{MODEL} at {COMMIT} is gated, and the token may not read it"),
    ],
)
def test_a_wrong_token_ends_with_one_sentence(
    hub: HubStandIn, program: Program, token: str, code: int, sentence: str
) -> None:
    publish(hub, gated="manual", readers=frozenset({READER}))
    done = program.run(HF_TOKEN=token)
    assert_one_sentence(done, code, sentence)
    assert not token or token not in done.stdout + done.stderr


def test_the_token_reads_a_gated_model_and_goes_to_no_other_host(
    hub: HubStandIn, program: Program
) -> None:
    repository = publish(hub, gated="manual", readers=frozenset({READER}))
    assert program.run(HF_TOKEN=READER).returncode == 0
    assert program.found() == expected(repository, HF_FILES)
    assert {r.token for r in hub.requests if r.host.startswith("localhost")} == {None}


def test_a_missing_revision_ends_with_one_sentence(hub: HubStandIn, tmp_path: Path) -> None:
    publish(hub)
    done = Program(cache=tmp_path, revision="c" * 40).run()
    assert_one_sentence(done, NOT_FOUND, f"{MODEL} has no revision {'c' * 40}")


@pytest.mark.usefixtures("hub")
def test_a_missing_model_ends_with_one_sentence(program: Program) -> None:
    assert_one_sentence(program.run(HF_TOKEN=READER), NOT_FOUND, f"shows no model {MODEL}")


def test_a_format_that_the_repository_lacks_ends_with_one_sentence(
    hub: HubStandIn, tmp_path: Path
) -> None:
    publish(hub, files={"config.json": json_file({}), "model.safetensors": weights(10)})
    done = Program(cache=tmp_path, weight_format="mistral").run()
    assert_one_sentence(done, NOT_FOUND, "has no weights in the format mistral")


def can_mount() -> bool:
    unshare = shutil.which("unshare")
    tried = unshare and subprocess.run(
        ["unshare", "-Urm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        check=False,
        capture_output=True,
    )
    return bool(tried) and tried.returncode == 0


def on_small_volume(program: Program, script: str, size: int) -> subprocess.Popen[str]:
    """Run a shell script where the cache is a file system of so many bytes."""
    if not can_mount():
        pytest.skip("this machine lets no user mount a file system of his own")
    program.cache.mkdir()
    command = " ".join([sys.executable, "-m", "downloader", *program.command()])
    mount = f"mount -t tmpfs -o size={size} tmpfs {program.cache}; cd {program.cache}; "
    return subprocess.Popen(
        ["unshare", "-Urm", "sh", "-c", mount + script.format(command=command)],
        env=program.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_volume_that_is_too_small_is_noticed_before_the_first_byte(
    hub: HubStandIn, program: Program
) -> None:
    publish(hub)
    done = ended(on_small_volume(program, "{command}", 4 * MIB))
    assert_one_sentence(done, DISK_FULL, "the volume of the cache is too small: 0.0 GB are missing")
    assert not [path for path in hub.paths() if "storage" in path]


OLD_MODEL = (
    "for model in Old Foreign; do mkdir -p hub/models--acme--$model/blobs; "
    "head -c 6M /dev/zero > hub/models--acme--$model/blobs/abc; done; "
    "mkdir hub/models--acme--Old/complete; echo {{}} > hub/models--acme--Old/complete/a.hf.json; "
)
"""Two other models of 6 MiB, of which this program has completed one."""


def test_a_volume_that_other_models_fill_is_noticed_and_the_sentence_says_what_frees_it(
    hub: HubStandIn, program: Program
) -> None:
    publish(hub)
    done = ended(on_small_volume(program, OLD_MODEL + "{command}", 16 * MIB))
    assert_one_sentence(done, DISK_FULL, "or remove the 0.0 GB of other models (cache.prune does")


def test_the_models_that_this_program_completed_make_room_where_they_may(
    hub: HubStandIn, program: Program
) -> None:
    publish(hub)
    script = OLD_MODEL + "{command} --prune-models && ls hub"
    done = ended(on_small_volume(program, script, 16 * MIB))
    assert done.returncode == 0, done.stderr
    assert "removing 0.01 GB of other models, since the volume has no room" in done.stdout
    assert "models--acme--Foreign\n" in done.stdout
    assert "models--acme--Old" not in done.stdout


def test_a_volume_that_fills_up_meanwhile_ends_with_one_sentence(
    hub: HubStandIn, program: Program
) -> None:
    publish(hub)
    filled = threading.Event()
    hub.play(Fault(where="storage", times=99, held=filled))
    fill = (
        "{command} & until ls hub/*/blobs/*.partial; do sleep 0.1; done > /dev/null 2>&1; "
        "head -c 1G /dev/zero > filler 2> /dev/null; echo filled; wait $!"
    )
    process = on_small_volume(program, fill, 16 * MIB)
    assert process.stdout is not None
    assert "filled\n" in process.stdout
    filled.set()
    done = ended(process)
    assert_one_sentence(done, DISK_FULL, "the volume of the cache is full; raise cache.size")
