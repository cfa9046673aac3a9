"""What the program of the download Job makes of kills, corrupt files and a Hub that fails."""

import signal
import subprocess
from functools import partial

import pytest

from tests.hub.answers import Fault
from tests.hub.downloads import (
    CORRUPT,
    HF_FILES,
    HUB_UNREACHABLE,
    MIB,
    Program,
    assert_one_sentence,
    expected,
    publish,
    seeded,
    wait_until,
)
from tests.hub.repositories import COMMIT
from tests.hub.stand_in import HubStandIn


def test_a_file_that_went_missing_is_fetched_again(hub: HubStandIn, program: Program) -> None:
    repository = publish(hub)
    assert program.run().returncode == 0
    pointer = program.repository / "snapshots" / COMMIT / "config.json"
    pointer.resolve().unlink()
    assert program.run().returncode == 0
    assert program.found() == expected(repository, HF_FILES)


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_five_times_at_random_points_it_ends_with_the_right_files(
    hub: HubStandIn, program: Program, seed: int
) -> None:
    repository, chance = publish(hub, size=16 * MIB), seeded(seed)
    total = sum(repository.files[name].size for name in HF_FILES)
    kills = sorted(chance.uniform(0.02, 0.8) * total for _ in range(5))
    # The download cannot end, however late the kill comes.
    hub.pace, hub.withholds = 0.02, True
    for point in kills:
        process = program.start_writing_often()
        wait_until(partial(reached, program, process, point))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    assert on_disk(program) >= kills[-1]
    hub.pace, hub.withholds = 0.0, False
    done = program.run()
    assert done.returncode == 0, done.stderr
    assert program.found() == expected(repository, HF_FILES)
    assert not program.partials()
    resumed = [r.range for r in hub.requests if r.range and "storage" in r.path]
    assert any(not r.startswith("bytes=0-") for r in resumed)


def reached(program: Program, process: subprocess.Popen[str], point: float) -> bool:
    """Whether so many bytes are on disk, or will never be."""
    return on_disk(program) >= point or process.poll() is not None


def on_disk(program: Program) -> int:
    """Bytes of blobs and partial files."""
    total = 0
    for file in program.repository.glob("blobs/*"):
        try:
            total += file.stat().st_size
        except FileNotFoundError:
            # Moved into place meanwhile.
            continue
    return total


def test_a_corrupt_partial_file_is_fetched_anew(hub: HubStandIn, program: Program) -> None:
    repository = publish(hub)
    blobs = program.repository / "blobs"
    blobs.mkdir(parents=True)
    shard = repository.files["model-00001-of-00002.safetensors"]
    (blobs / f"{shard.sha256}.partial").write_bytes(b"\0" * (shard.size // 2))
    longer = repository.files["model-00002-of-00002.safetensors"]
    (blobs / f"{longer.sha256}.partial").write_bytes(b"\0" * (longer.size + 1))
    done = program.run()
    assert done.returncode == 0, done.stderr
    assert "model-00001-of-00002.safetensors arrived corrupt and is fetched anew" in done.stdout
    assert program.found() == expected(repository, HF_FILES)


def test_a_file_that_never_has_its_hash_is_not_accepted(hub: HubStandIn, program: Program) -> None:
    repository = publish(hub)
    shard = repository.files["model-00002-of-00002.safetensors"]
    hub.play(Fault(where=shard.sha256, times=9, status=200, body=b"x" * shard.size))
    done = program.run()
    assert_one_sentence(done, CORRUPT, "model-00002-of-00002.safetensors does not have the hash")
    assert not program.repository.joinpath("blobs", shard.sha256).exists()


def test_a_transfer_that_breaks_off_is_resumed(hub: HubStandIn, program: Program) -> None:
    repository = publish(hub)
    hub.play(Fault(where="storage", times=2, cut_after=2 * MIB - 7))
    hub.play(Fault(where="storage", times=1, status=503))
    done = program.run()
    assert done.returncode == 0, done.stderr
    assert program.found() == expected(repository, HF_FILES)


def test_a_hub_without_ranges_is_read_from_the_start(hub: HubStandIn, program: Program) -> None:
    repository = publish(hub)
    hub.supports_ranges = False
    hub.play(Fault(where="storage", times=2, cut_after=2 * MIB))
    done = program.run()
    assert done.returncode == 0, done.stderr
    assert program.found() == expected(repository, HF_FILES)


def test_a_hub_that_stays_away_ends_the_download(hub: HubStandIn, program: Program) -> None:
    publish(hub)
    hub.play(Fault(where="storage", times=99, status=500))
    done = program.run_impatiently()
    assert_one_sentence(done, HUB_UNREACHABLE, f"no answer from {hub.endpoint} after 3 attempts")
    assert "HTTP 500" in done.stderr
