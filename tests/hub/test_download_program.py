"""What the program of the download Job fetches, as a process of its own, and how it shows that."""

import fcntl
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from downloader.hub import choose
from downloader.transfer import progress_line
from tests.hub.answers import Fault
from tests.hub.downloads import (
    HF_FILES,
    MIB,
    MODEL,
    Program,
    ended,
    expected,
    publish,
    wait_until,
    weights,
)
from tests.hub.repositories import COMMIT
from tests.hub.stand_in import HubStandIn

OTHER_COMMIT = "b" * 40
MOST_SILENT_SECONDS = 5.0
LONG_SECONDS = 12.0


def test_a_server_without_a_network_finds_one_weight_format(
    hub: HubStandIn, program: Program
) -> None:
    repository = publish(hub)
    done = program.run()
    assert done.returncode == 0, done.stderr
    assert program.found() == expected(repository, HF_FILES)
    assert not [path for path in hub.paths() if "consolidated" in path or "README" in path]


def test_a_branch_is_found_under_its_name(hub: HubStandIn, tmp_path: Path) -> None:
    repository = publish(hub)
    program = Program(cache=tmp_path, revision="main")
    assert program.run().returncode == 0
    assert program.found("main") == expected(repository, HF_FILES)


@pytest.mark.parametrize(
    ("weight_format", "names", "chosen"),
    [
        ("mistral", ["a.safetensors", "consolidated.safetensors"], ["consolidated.safetensors"]),
        ("hf", ["a.safetensors", "consolidated.safetensors", "a.bin"], ["a.safetensors"]),
        ("hf", ["consolidated.safetensors"], ["consolidated.safetensors"]),
        ("hf", ["a.bin", "training_args.bin", "x/a.safetensors"], ["a.bin"]),
        (
            "hf",
            ["a.safetensors", "1_Pooling/config.json"],
            ["1_Pooling/config.json", "a.safetensors"],
        ),
        (
            "mistral",
            ["consolidated.safetensors", "tokenizer.model", "tokenizer.model.v3"],
            ["consolidated.safetensors", "tokenizer.model", "tokenizer.model.v3"],
        ),
        (
            "mistral",
            ["consolidated.safetensors", "tokenizer.mm.model.v7m1"],
            ["consolidated.safetensors", "tokenizer.mm.model.v7m1"],
        ),
        ("mistral", ["a.safetensors", "config.json"], []),
        ("hf", ["a.gguf", "config.json"], []),
    ],
)
def test_one_weight_format_is_chosen(
    weight_format: str, names: list[str], chosen: list[str]
) -> None:
    assert choose(names, weight_format) == chosen


def test_a_second_run_ends_without_asking_the_hub(hub: HubStandIn, program: Program) -> None:
    publish(hub)
    assert program.run().returncode == 0
    asked = len(hub.requests)
    done = program.run()
    assert done.returncode == 0
    assert done.stdout == f"{MODEL} at {COMMIT} is complete\n"
    assert len(hub.requests) == asked


def test_a_file_too_large_for_http_is_left_to_the_library(
    hub: HubStandIn, program: Program
) -> None:
    repository = publish(hub)
    done = program.run_impatiently(largest=3 * MIB)
    assert done.returncode == 0, done.stderr
    assert program.found() == expected(repository, HF_FILES)


def timed(process: subprocess.Popen[str]) -> Iterator[tuple[float, str]]:
    """What a program says until its end, each line with the seconds since the one before."""
    before = time.monotonic()
    assert process.stdout is not None
    for line in process.stdout:
        now = time.monotonic()
        yield now - before, line
        before = now


def test_progress_shows_at_least_every_five_seconds(hub: HubStandIn, program: Program) -> None:
    publish(hub)
    # Four seconds for each MiB of a file, of which the largest has four.
    hub.pace = 4.0
    process = program.start()
    began = time.monotonic()
    said = list(timed(process))
    assert ended(process).returncode == 0
    assert time.monotonic() - began > 10
    assert max(gap for gap, _ in said) < MOST_SILENT_SECONDS, said
    progress = [line for _, line in said if " GB (" in line]
    assert all(re.fullmatch(r"0\.\d\d of 0\.01 GB \(\d+ %\), .+\n", line) for line in progress)
    assert len(progress) >= 4


def test_a_wait_for_another_download_is_no_silence(hub: HubStandIn, program: Program) -> None:
    publish(hub)
    program.repository.mkdir(parents=True)
    with (program.repository / "download.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = program.start()
        release = threading.Timer(LONG_SECONDS, fcntl.flock, (lock, fcntl.LOCK_UN))
        release.start()
        said = list(timed(process))
        release.join()
    assert ended(process).returncode == 0
    assert max(gap for gap, _ in said) < MOST_SILENT_SECONDS, said
    waiting = [line for _, line in said if line.startswith("still waiting for another download")]
    assert len(waiting) >= LONG_SECONDS // MOST_SILENT_SECONDS


def test_a_hub_that_thinks_for_long_is_no_silence(hub: HubStandIn, program: Program) -> None:
    publish(hub)
    hub.play(Fault(where="/api/models", times=1, delay=LONG_SECONDS))
    process = program.start()
    said = list(timed(process))
    assert ended(process).returncode == 0
    assert max(gap for gap, _ in said) < MOST_SILENT_SECONDS, said
    assert [line for _, line in said if line.startswith(f"still asking {hub.endpoint}")]


def test_a_line_of_progress_holds_bytes_rate_and_remaining_time() -> None:
    assert progress_line(3_200_000_000, 14_500_000_000, 95_100_000) == (
        "3.20 of 14.50 GB (22 %), 95.1 MB/s, 1 min 59 s left"
    )


def test_a_second_download_waits_for_the_first(hub: HubStandIn, program: Program) -> None:
    publish(hub)
    arrived = threading.Event()
    # More often than there are files: a request that is held for 10 s is made again.
    hub.play(Fault(where="storage", times=99, held=arrived))
    first = program.start()
    wait_until(program.partials)
    second = program.start()
    assert second.stdout is not None
    said = second.stdout.readline()
    assert said == "another download of this model is running; waiting for it\n"
    arrived.set()
    first.communicate(timeout=60)
    rest, _ = second.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (0, 0)
    # How often it says that it still waits is a matter of the machine.
    others = [line for line in rest.splitlines() if not line.startswith("still waiting")]
    assert others == [f"{MODEL} at {COMMIT} is complete"]


def test_sigterm_ends_it_at_once(hub: HubStandIn, program: Program) -> None:
    publish(hub)
    hub.play(Fault(where="storage", times=9, delay=60.0))
    process = program.start()
    wait_until(program.partials)
    process.terminate()
    assert process.wait(timeout=20) == 128 + signal.SIGTERM
    process.communicate()


def test_pruning_models_removes_those_that_this_program_completed_once_the_wanted_one_is_there(
    hub: HubStandIn, program: Program
) -> None:
    repository = publish(hub)
    old = hub.add(replace(repository, id="acme/Old"))
    other = program.command("--model", old.id)
    done = subprocess.run(
        [sys.executable, "-m", "downloader", *other], env=program.environment(), check=False
    )
    assert done.returncode == 0
    foreign = program.cache / "hub" / "models--acme--Foreign" / "blobs" / "abc"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("kept")
    assert program.run().returncode == 0
    assert len(list((program.cache / "hub").glob("models--*"))) == 3
    assert program.run("--prune-models").returncode == 0
    assert program.found() == expected(repository, HF_FILES)
    names = {folder.name for folder in (program.cache / "hub").glob("models--*")}
    assert names == {program.repository.name, "models--acme--Foreign"}


def test_pruning_removes_other_revisions_of_the_model_and_nothing_else(
    hub: HubStandIn, program: Program
) -> None:
    publish(hub)
    assert program.run().returncode == 0
    neighbour = program.cache / "hub" / "models--acme--Other" / "blobs" / "abc"
    neighbour.parent.mkdir(parents=True)
    neighbour.write_text("kept")
    old = hub.repositories[MODEL].files
    changed = {**old, "model-00001-of-00002.safetensors": weights(MIB, 9)}
    repository = publish(hub, files=changed, commit=OTHER_COMMIT)
    newer = Program(cache=program.cache, revision=OTHER_COMMIT)
    assert newer.run().returncode == 0
    assert set(program.found()) == HF_FILES, "without --prune, the old revision stays"
    assert newer.run("--prune").returncode == 0
    assert newer.found(OTHER_COMMIT) == expected(repository, HF_FILES)
    assert [folder.name for folder in program.repository.glob("snapshots/*")] == [OTHER_COMMIT]
    lost = old["model-00001-of-00002.safetensors"].sha256
    assert not (program.repository / "blobs" / lost).exists()
    assert neighbour.read_text() == "kept"
