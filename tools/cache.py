"""The cache: one directory per artifact and pins, complete or absent."""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from tools.artifacts import named
from tools.pins import TOOLS
from tools.records import Artifact, Platform, PythonArtifact, this_platform

# Without a suffix, so that `kubectl apply -f` of the manifests passes over it.
_RECORD = ".source"
_PINS = frozenset({"go.mod", "go.sum", "requirements.txt"})
_POLL_SECONDS = 0.2


def root() -> Path:
    """`${XDG_CACHE_HOME:-$HOME/.cache}/mistral-vllm`; a relative XDG_CACHE_HOME is ignored.

    Source: XDG Base Directory Specification 0.8, https://specifications.freedesktop.org/basedir/.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "mistral-vllm"


def entry(artifact: Artifact) -> Path:
    """Directory of the artifact, whether it is there or not."""
    return root() / "entries" / f"{artifact.name}-{artifact.version}-{key(artifact)}"


def key(artifact: Artifact, target: Platform | None = None) -> str:
    """Twelve hexadecimal digits that change whenever the artifact could come out different.

    Hashed are its record (versions, addresses, flags), the platform, the pins and Go sources of the
    directories it is made from, and the keys of what it needs; not the estimated times.
    """
    untimed = replace(
        artifact, builds=tuple(replace(build, seconds=0) for build in artifact.builds)
    )
    digest = hashlib.sha256(
        json.dumps([asdict(untimed), asdict(target or this_platform())], sort_keys=True).encode()
    )
    for module in modules(artifact):
        for file in sorted((TOOLS / module).rglob("*")):
            if file.name in _PINS or file.suffix == ".go":
                digest.update(f"\n{file.relative_to(TOOLS)}\n".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    for needed in artifact.needs:
        digest.update(key(named(needed), target).encode())
    return digest.hexdigest()[:12]


def modules(artifact: Artifact) -> list[str]:
    """Directories under `tools/` of what the artifact is made from, sorted."""
    sources = [source for build in artifact.builds for source in build.sources]
    parts = (*artifact.builds, *artifact.scripts, *artifact.manifests, *sources)
    python = {artifact.directory} if isinstance(artifact, PythonArtifact) else set[str]()
    return sorted({part.module for part in parts} | python)


def is_present(directory: Path) -> bool:
    """Whether the entry is complete and, if it stands for programs on PATH, those are unchanged."""
    try:
        record = json.loads((directory / _RECORD).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return all(fingerprint(Path(path)) == seen for path, seen in record["borrowed"].items())


def fingerprint(path: Path) -> list[int] | None:
    """Size in bytes and modification time in nanoseconds; None when the file is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


@contextmanager
def locked(
    directory: Path, on_wait: Callable[[], None], stopped: Callable[[], bool]
) -> Generator[None]:
    """Hold the entry's lock; `on_wait` is called once if another process has it.

    Raises:
        InterruptedError: `stopped` became true while waiting.
    """
    lock = root() / "locks" / f"{directory.name}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        told = False
        while not _take(file.fileno()):
            if stopped():
                raise InterruptedError
            if not told:
                on_wait()
                told = True
            time.sleep(_POLL_SECONDS)
        yield


@contextmanager
def workspace(directory: Path) -> Generator[Path]:
    """Temporary directory on the cache's file system; call only with the entry's lock held."""
    parent = root() / "partial"
    parent.mkdir(parents=True, exist_ok=True)
    # What lies there was left by a process that was killed: the lock is ours.
    for stale in parent.glob(f"{directory.name}.*"):
        shutil.rmtree(stale, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=f"{directory.name}.", dir=parent))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def publish(work: Path, directory: Path, source: str, borrowed: tuple[Path, ...]) -> None:
    """Turn `work` into the entry, by one rename; `borrowed` are files that it only links to."""
    record = {
        "source": source,
        "borrowed": {str(path): fingerprint(path) for path in borrowed},
    }
    (work / _RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    directory.parent.mkdir(parents=True, exist_ok=True)
    if directory.exists():
        shutil.rmtree(directory)
    work.rename(directory)


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
