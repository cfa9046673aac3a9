"""The transfer: files into the cache, each resumed, verified and moved into place."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import deque
from collections.abc import Generator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import (
    hf_hub_download,  # pyright: ignore[reportUnknownVariableType] - the hub leaves its type open
    hf_hub_url,
)
from huggingface_hub.file_download import (
    http_get,  # pyright: ignore[reportUnknownVariableType] - the hub leaves its type open
)
from huggingface_hub.utils import (
    build_hf_headers,  # pyright: ignore[reportUnknownVariableType] - the hub leaves its type open
)

from downloader.cache import (
    Remote,
    Wanted,
    bytes_in,
    is_right,
    other_models,
    remove,
    size_of,
    write,
)
from downloader.hub import CORRUPT, DISK_FULL, DownloadError, persist
from downloader.report import repeating, say

WORKERS = 4
RATE_SECONDS = 30.0

LARGEST_OVER_HTTP = 50 * 10**9
"""Bytes of one file; a larger one is handed out over Xet only (huggingface_hub, constants.py)."""


@dataclass(frozen=True, kw_only=True)
class Download:
    """The files of one commit on their way into the cache."""

    wanted: Wanted
    commit: str
    files: list[Remote]
    token: str | bool

    def blob(self, remote: Remote) -> Path:
        """Where the content lies, as huggingface_hub lays it out."""
        return self.wanted.folder / "blobs" / remote.digest

    def partial(self, remote: Remote) -> Path:
        """Where the content lies until its hash is right."""
        return self.wanted.folder / "blobs" / f"{remote.digest}.partial"

    def pointer(self, remote: Remote) -> Path:
        """Where a reader finds the file."""
        return self.wanted.folder / "snapshots" / self.commit / remote.path

    def bytes_of(self, remote: Remote) -> int:
        """Bytes of a file that are on disk."""
        places = [self.pointer(remote), self.blob(remote), self.partial(remote)]
        places += self.wanted.folder.glob(f"blobs/{remote.digest}.*.incomplete")
        return min(remote.size, max(size_of(place) for place in places))

    def done(self) -> int:
        """Bytes of all files that are on disk."""
        return sum(self.bytes_of(remote) for remote in self.files)

    def make_room(self, *, removes_models: bool) -> None:
        """End before the first byte when the volume cannot take the last.

        Other models go first where they may: their server, should it still run, has loaded them.

        Raises:
            DownloadError: the volume is too small.
        """
        missing, free = self._space()
        others = other_models(self.wanted) if missing > free else []
        held = bytes_in(others) / 1e9
        if others and removes_models:
            say(f"removing {held:.2f} GB of other models, since the volume has no room beside them")
            remove(others)
            others = []
            missing, free = self._space()
        if missing > free:
            need = f"{missing / 1e9:.1f} GB are missing and {free / 1e9:.1f} GB are free"
            sentence = f"the volume of the cache is too small: {need}; raise cache.size"
            if others:
                sentence += f", or remove the {held:.1f} GB of other models (cache.prune does so "
                sentence += "on a pvc)"
            raise DownloadError(DISK_FULL, sentence)

    def _space(self) -> tuple[int, int]:
        usage = shutil.disk_usage(self.wanted.folder)
        missing = sum(remote.size for remote in self.files) - self.done()
        # A few network file systems report a size of 0.
        return missing, usage.free if usage.total else missing

    def run(self) -> None:
        """Fetch all files, some at a time, and mark the revision as complete."""
        pool = ThreadPoolExecutor(WORKERS)
        with reporting(self):
            largest_first = sorted(self.files, key=lambda remote: -remote.size)
            futures = [pool.submit(self.fetch, remote) for remote in largest_first]
            # The first failure ends the process; what the others have so far is resumed next time.
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        if self.wanted.revision != self.commit:
            write(self.wanted.folder / "refs" / self.wanted.revision, self.commit)
        sizes = {remote.path: remote.size for remote in self.files}
        write(self.wanted.marker, json.dumps({"commit": self.commit, "files": sizes}))

    def fetch(self, remote: Remote) -> None:
        """Bring one file to its place."""
        blob, pointer = self.blob(remote), self.pointer(remote)
        if size_of(pointer) == remote.size and pointer.exists():
            return
        if not (blob.exists() and size_of(blob) == remote.size):
            blob.unlink(missing_ok=True)
            self._fetch_content(remote)
        pointer.parent.mkdir(parents=True, exist_ok=True)
        pointer.unlink(missing_ok=True)
        try:
            pointer.symlink_to(os.path.relpath(blob, pointer.parent))
        except OSError:
            # A file system without links.
            blob.replace(pointer)

    def _fetch_content(self, remote: Remote) -> None:
        partial = self.partial(remote)
        for _ in range(3):
            if size_of(partial) > remote.size:
                partial.unlink()
            persist(self.wanted, lambda: self._transfer(remote), lambda: self.bytes_of(remote))
            if is_right(partial, remote):
                partial.replace(self.blob(remote))
                return
            say(f"{remote.path} arrived corrupt and is fetched anew")
            partial.unlink()
        raise DownloadError(CORRUPT, f"{remote.path} does not have the hash that the Hub states")

    def _transfer(self, remote: Remote) -> None:
        partial = self.partial(remote)
        if remote.size > LARGEST_OVER_HTTP and not partial.exists():
            model, commit = self.wanted.model, self.commit
            found = hf_hub_download(model, remote.path, revision=commit, token=self.token)
            Path(found).resolve().replace(partial)
            return
        with partial.open("ab") as content:
            http_get(
                hf_hub_url(self.wanted.model, remote.path, revision=self.commit),
                content,
                resume_size=content.tell(),
                headers=build_hf_headers(token=self.token),
                expected_size=remote.size,
            )


@contextmanager
def reporting(download: Download) -> Generator[None]:
    """Write a line about the progress at once and every few seconds."""
    total = sum(remote.size for remote in download.files)
    seen = deque([(time.monotonic(), download.done())])

    def line() -> str:
        now, done = time.monotonic(), download.done()
        seen.append((now, done))
        while now - seen[0][0] > RATE_SECONDS:
            seen.popleft()
        rate = max(0.0, (done - seen[0][1]) / (now - seen[0][0])) if len(seen) > 1 else 0.0
        return progress_line(done, total, rate)

    say(progress_line(seen[0][1], total, 0))
    with repeating(line):
        yield


def progress_line(done: int, total: int, rate: float) -> str:
    """Bytes, rate (bytes/s) and remaining time as one line of the log."""
    line = f"{done / 1e9:.2f} of {total / 1e9:.2f} GB ({100 * done // max(1, total)} %)"
    if done >= total:
        return f"{line}, checking hashes"
    if rate <= 0:
        return f"{line}, waiting for data"
    minutes, seconds = divmod(round((total - done) / rate), 60)
    return f"{line}, {rate / 1e6:.1f} MB/s, {minutes} min {seconds} s left"
