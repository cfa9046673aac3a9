"""The program of the download Job, as a process of its own, against the Hub stand-in."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from huggingface_hub import (
    snapshot_download,  # pyright: ignore[reportUnknownVariableType]
)

from downloader.hub import choose
from downloader.transfer import progress_line
from tests.hub.answers import Fault
from tests.hub.conftest import READER, STRANGER
from tests.hub.repositories import COMMIT, File, Repository, json_file, text
from tests.hub.stand_in import HubStandIn

ROOT = Path(__file__).resolve().parents[2]
MODEL = "acme/Seven-Billion"
MIB = 1 << 20
OTHER_COMMIT = "b" * 40
NO_ACCESS, NOT_FOUND, DISK_FULL, HUB_UNREACHABLE, CORRUPT = 3, 4, 5, 6, 7
"""Exit codes; the Job's policy on failures names some of them."""

IMPATIENT = """
import sys
from downloader import __main__ as program, hub, transfer
hub.PAUSES = (0.01, 0.02)
transfer.LARGEST_OVER_HTTP = {largest}
sys.exit(program.main())
"""


def weights(size: int, seed: int = 0) -> File:
    """A large file of random bytes."""
    return File(head=seeded(seed).randbytes(size), size=size, is_lfs=True)


def seeded(seed: int) -> random.Random:
    """The same numbers in every run."""
    return random.Random(seed)  # noqa: S311 - nothing here is a secret


def publish(hub: HubStandIn, size: int = 4 * MIB, **changes: object) -> Repository:
    """A repository that holds the weights in both formats, and what no server reads."""
    files = {
        "config.json": json_file({"hidden_size": 4096}),
        "params.json": json_file({"dim": 4096}),
        "tekken.json": text("{}" * 1000),
        "README.md": text("# card"),
        "consolidated.safetensors": weights(size, 1),
        "model-00001-of-00002.safetensors": weights(size, 2),
        "model-00002-of-00002.safetensors": weights(size // 2, 3),
        "model.safetensors.index.json": json_file({"weight_map": {}}),
        "original/consolidated.safetensors": weights(1000, 4),
    }
    return hub.add(Repository(id=MODEL, **{"files": files, **changes}))  # type: ignore[arg-type]


HF_FILES = {
    "config.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
    "params.json",
    "tekken.json",
}


@dataclass(frozen=True, kw_only=True)
class Program:
    """The command line, with a cache of its own."""

    cache: Path
    weight_format: str = "hf"
    revision: str = COMMIT

    def command(self, *arguments: str) -> list[str]:
        model = ["--model", MODEL, "--revision", self.revision]
        return [*model, "--weight-format", self.weight_format, *arguments]

    def environment(self, **variables: str) -> dict[str, str]:
        return os.environ | {"HF_HOME": str(self.cache), "PYTHONPATH": str(ROOT)} | variables

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "downloader", *self.command(*arguments)],
            env=self.environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **variables)
        said, complained = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, said, complained)

    def run_impatiently(self, largest: int = 1 << 40) -> subprocess.CompletedProcess[str]:
        """Run with pauses of a hundredth, and another size from which on files come over Xet."""
        return subprocess.run(
            [sys.executable, "-c", IMPATIENT.format(largest=largest), *self.command()],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def repository(self) -> Path:
        return self.cache / "hub" / f"models--{MODEL.replace('/', '--')}"

    def partials(self) -> list[Path]:
        return list(self.repository.glob("blobs/*.partial"))

    def found(self, commit: str = COMMIT) -> dict[str, bytes]:
        """The files as a server without a network finds them."""
        snapshot = Path(
            snapshot_download(
                MODEL, revision=commit, cache_dir=self.cache / "hub", local_files_only=True
            )
        )
        files = [file for file in snapshot.rglob("*") if file.is_file()]
        return {str(file.relative_to(snapshot)): file.read_bytes() for file in files}


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(cache=tmp_path / "models")


def expected(repository: Repository, names: set[str]) -> dict[str, bytes]:
    return {name: f.read(0, f.size) for name, f in repository.files.items() if name in names}


def assert_one_sentence(done: subprocess.CompletedProcess[str], code: int, text: str) -> None:
    assert done.returncode == code, done.stdout + done.stderr
    assert text in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert STRANGER not in done.stdout + done.stderr


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


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
    hub.pace = 0.05
    kills = sorted(chance.uniform(0.02, 0.9) * total for _ in range(5))
    for point in kills:
        process = program.start()
        wait_until(partial(reached, program, process, point))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    assert on_disk(program) >= kills[-1]
    hub.pace = 0.0
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


def test_a_file_too_large_for_http_is_left_to_the_library(
    hub: HubStandIn, program: Program
) -> None:
    repository = publish(hub)
    done = program.run_impatiently(largest=3 * MIB)
    assert done.returncode == 0, done.stderr
    assert program.found() == expected(repository, HF_FILES)


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


def on_small_volume(program: Program, script: str, size: int) -> subprocess.CompletedProcess[str]:
    """Run a shell script where the cache is a file system of so many bytes."""
    if not can_mount():
        pytest.skip("this machine lets no user mount a file system of his own")
    program.cache.mkdir()
    command = " ".join([sys.executable, "-m", "downloader", *program.command()])
    mount = f"mount -t tmpfs -o size={size} tmpfs {program.cache}; cd {program.cache}; "
    return subprocess.run(
        ["unshare", "-Urm", "sh", "-c", mount + script.format(command=command)],
        env=program.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_volume_that_is_too_small_is_noticed_before_the_first_byte(
    hub: HubStandIn, program: Program
) -> None:
    publish(hub)
    done = on_small_volume(program, "{command}", 4 * MIB)
    assert_one_sentence(done, DISK_FULL, "the volume of the cache is too small: 0.0 GB are missing")
    assert not [path for path in hub.paths() if "storage" in path]


def test_a_volume_that_fills_up_meanwhile_ends_with_one_sentence(
    hub: HubStandIn, program: Program
) -> None:
    publish(hub)
    hub.play(Fault(where="storage", times=2, delay=2.0))
    fill = (
        "{command} & until ls hub/*/blobs/*.partial; do sleep 0.1; done > /dev/null 2>&1; "
        "head -c 1G /dev/zero > filler 2> /dev/null; wait $!"
    )
    done = on_small_volume(program, fill, 16 * MIB)
    assert_one_sentence(done, DISK_FULL, "the volume of the cache is full; raise cache.size")


def test_progress_shows_at_least_every_five_seconds(hub: HubStandIn, program: Program) -> None:
    publish(hub)
    hub.play(Fault(where="storage", times=2, drip=0.5))
    process = program.start()
    times: list[float] = []
    assert process.stdout is not None
    for line in process.stdout:
        if " GB (" in line:
            assert re.fullmatch(r"0\.\d\d of 0\.01 GB \(\d+ %\), .+\n", line)
            times.append(time.monotonic())
        if len(times) == 4:
            break
    process.kill()
    process.communicate()
    assert max(later - earlier for earlier, later in pairwise(times)) < 5


def test_a_line_of_progress_holds_bytes_rate_and_remaining_time() -> None:
    assert progress_line(3_200_000_000, 14_500_000_000, 95_100_000) == (
        "3.20 of 14.50 GB (22 %), 95.1 MB/s, 1 min 59 s left"
    )


def test_a_second_download_waits_for_the_first(hub: HubStandIn, program: Program) -> None:
    publish(hub)
    hub.play(Fault(where="storage", times=2, delay=2.0))
    first = program.start()
    wait_until(program.partials)
    second = program.run()
    assert first.wait(timeout=30) == 0
    first.communicate()
    assert second.stdout.splitlines() == [
        "another download of this model is running; waiting for it",
        f"{MODEL} at {COMMIT} is complete",
    ]


def test_sigterm_ends_it_at_once(hub: HubStandIn, program: Program) -> None:
    publish(hub)
    hub.play(Fault(where="storage", times=9, delay=20.0))
    process = program.start()
    wait_until(program.partials)
    process.terminate()
    assert process.wait(timeout=5) == 128 + signal.SIGTERM
    process.communicate()


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
