"""Files of a repository as huggingface_hub's cache lays them out, and what marks them complete."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from huggingface_hub import constants


@dataclass(frozen=True, kw_only=True)
class Remote:
    """One file of the repository; `digest` is its SHA-256, or git's SHA-1 of a small file."""

    path: str
    size: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the command line asks for."""

    model: str
    revision: str
    weight_format: str

    @property
    def folder(self) -> Path:
        """Where huggingface_hub keeps the repository."""
        return Path(constants.HF_HUB_CACHE) / f"models--{self.model.replace('/', '--')}"

    @property
    def marker(self) -> Path:
        """The file that says that all files are there."""
        revision = self.revision.replace("/", "--")
        return self.folder / "complete" / f"{revision}.{self.weight_format}.json"


def is_right(file: Path, remote: Remote) -> bool:
    """Whether a file has the size and the hash that the Hub states."""
    if file.stat().st_size != remote.size:
        return False
    digest = hashlib.sha256()
    if len(remote.digest) == hashlib.sha1(usedforsecurity=False).digest_size * 2:
        digest = hashlib.sha1(b"blob %d\0" % remote.size, usedforsecurity=False)
    with file.open("rb") as content:
        while chunk := content.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest() == remote.digest


def size_of(file: Path) -> int:
    """Bytes on disk; 0 for a file that is not there."""
    try:
        return file.stat().st_size
    except OSError:
        return 0


def write(file: Path, text: str) -> None:
    """Write a small file whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.new")
    new.write_text(text)
    new.replace(file)


def is_complete(wanted: Wanted) -> bool:
    """Whether all files of an earlier run are still there."""
    try:
        marker = cast("Mapping[str, object]", json.loads(wanted.marker.read_text()))
    except (OSError, ValueError):
        return False
    snapshot = wanted.folder / "snapshots" / str(marker["commit"])
    sizes = cast("Mapping[str, int]", marker["files"])
    return all(
        (snapshot / path).exists() and size_of(snapshot / path) == size
        for path, size in sizes.items()
    )


def prune(wanted: Wanted) -> int:
    """Remove what belongs to other revisions of the model, and return the bytes that came free."""
    commit = str(json.loads(wanted.marker.read_text())["commit"])
    folder = wanted.folder
    for snapshot in folder.glob("snapshots/*"):
        if snapshot.name != commit:
            shutil.rmtree(snapshot)
    for marker in folder.glob("complete/*.json"):
        if json.loads(marker.read_text())["commit"] != commit:
            marker.unlink()
    for ref in folder.glob("refs/**/*"):
        if ref.is_file() and ref.read_text() != commit:
            ref.unlink()
    kept = {file.resolve().name for file in folder.glob("snapshots/**/*")}
    freed = 0
    for blob in folder.glob("blobs/*"):
        if blob.name not in kept:
            freed += size_of(blob)
            blob.unlink()
    return freed


def other_models(wanted: Wanted) -> list[Path]:
    """Folders of other models that this program has completed; those of others bear no marker."""
    folders = sorted(Path(constants.HF_HUB_CACHE).glob("models--*"))
    return [f for f in folders if f != wanted.folder and any(f.glob("complete/*.json"))]


def bytes_in(folders: Iterable[Path]) -> int:
    """Bytes of the files in folders; a link counts for nothing."""
    files = (file for folder in folders for file in folder.rglob("*"))
    return sum(size_of(file) for file in files if file.is_file() and not file.is_symlink())


def remove(folders: Iterable[Path]) -> None:
    """Remove folders, their markers first, so that what is left of one is not taken for whole."""
    for folder in folders:
        shutil.rmtree(folder / "complete")
        shutil.rmtree(folder)
