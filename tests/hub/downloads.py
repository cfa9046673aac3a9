"""The download Job's program as a process of its own, and what it may find on the Hub."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import (
    snapshot_download,  # pyright: ignore[reportUnknownVariableType]
)

from tests.hub.repositories import COMMIT, STRANGER, File, Repository, json_file, text
from tests.hub.stand_in import HubStandIn

ROOT = Path(__file__).resolve().parents[2]
MODEL = "acme/Seven-Billion"
MIB = 1 << 20
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


WRITING_OFTEN = """
import sys
from huggingface_hub import constants
constants.DOWNLOAD_CHUNK_SIZE = 1 << 16
from downloader import __main__ as program
sys.exit(program.main())
"""


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

    def start_writing_often(self) -> subprocess.Popen[str]:
        """Start it so that each 64 KiB are written, where the library collects 10 MiB."""
        return subprocess.Popen(
            [sys.executable, "-c", WRITING_OFTEN, *self.command()],
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return ended(self.start(*arguments, **variables))

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


def ended(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """Wait for the end of a program, and give what it has said since it was last read."""
    said, complained = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, said, complained)


def expected(repository: Repository, names: set[str]) -> dict[str, bytes]:
    return {name: f.read(0, f.size) for name, f in repository.files.items() if name in names}


def assert_one_sentence(done: subprocess.CompletedProcess[str], code: int, text: str) -> None:
    assert done.returncode == code, done.stdout + done.stderr
    assert text in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert STRANGER not in done.stdout + done.stderr


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
