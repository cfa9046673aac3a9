"""Questions to the Hugging Face Hub, repeated where that may help, and what its refusals mean."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import TypeVar

from huggingface_hub import HfApi, constants, errors

from downloader.cache import Remote, Wanted
from downloader.report import say

T = TypeVar("T")

NO_ACCESS = 3
NOT_FOUND = 4
DISK_FULL = 5
HUB_UNREACHABLE = 6
CORRUPT = 7
NOT_WRITABLE = 8

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds between attempts that bring nothing."""

TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
"""Worth another attempt; what huggingface_hub 2.4.0 itself retries (`utils/_http.py`)."""

OTHER_FILES = ("*.json", "*.jinja", "*.model", "*.model.v*", "*.py", "*.tiktoken", "*.txt")
"""What vLLM may read beside the weights: configs, tokenizers, chat templates, code.

The version of a tokenizer of Mistral's is in its name (`tokenizer.model.v3`); without that file
mistral_common takes `tokenizer.model` for one of version 1.
"""

WEIGHTS = {
    "mistral": (("consolidated*.safetensors", ""),),
    "hf": (("*.safetensors", "consolidated*"), ("*.safetensors", ""), ("*.bin", "training_args*")),
}
"""By weight format, what to take and what to leave at the top level; the first that finds any."""


class DownloadError(Exception):
    """Why the download ends, in one sentence, with the exit code that says so to the Job."""

    def __init__(self, code: int, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)


def choose(paths: list[str], weight_format: str) -> list[str]:
    """Pick the files of one weight format, and what else vLLM reads."""
    top = [path for path in paths if "/" not in path]
    weights: list[str] = []
    for take, leave in WEIGHTS[weight_format]:
        weights = [p for p in top if fnmatchcase(p, take) and not fnmatchcase(p, leave)]
        if weights:
            break
    others = [p for p in paths if any(fnmatchcase(p, pattern) for pattern in OTHER_FILES)]
    return sorted({*weights, *others}) if weights else []


def explained(error: Exception, wanted: Wanted) -> DownloadError | None:
    """Say what an error means; None where another attempt may help."""
    if isinstance(error, DownloadError):
        return error
    if isinstance(error, errors.HfHubHTTPError):
        return _refusal(error, wanted)
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT):
        return DownloadError(DISK_FULL, "the volume of the cache is full; raise cache.size")
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        sentence = f"{constants.HF_HUB_CACHE} cannot be written; check who owns the volume"
        return DownloadError(NOT_WRITABLE, sentence)
    return None


def _refusal(error: errors.HfHubHTTPError, wanted: Wanted) -> DownloadError | None:
    where, status = f"{wanted.model} at {wanted.revision}", error.response.status_code
    code, sentence = NOT_FOUND, f"{where} cannot be read (HTTP {status}); check the key model"
    if isinstance(error, errors.GatedRepoError):
        code, sentence = NO_ACCESS, f"{where} is gated, and the token may not read it"
        sentence += "; accept its terms on the Hub, or set the token of an account that has"
    elif isinstance(error, errors.RevisionNotFoundError):
        sentence = f"{wanted.model} has no revision {wanted.revision}; check the key revision"
    elif isinstance(error, errors.RepositoryNotFoundError):
        sentence = f"{constants.ENDPOINT} shows no model {wanted.model}; check the key model"
        sentence += ", and huggingFaceToken if it is private"
    elif status in TRANSIENT_STATUSES:
        return None
    elif status in (401, 403):
        code, sentence = NO_ACCESS, f"{constants.ENDPOINT} refuses the token (HTTP {status})"
        sentence += "; check the key huggingFaceToken"
    return DownloadError(code, sentence)


def persist(
    wanted: Wanted, task: Callable[[], T], progress: Callable[[], int], source: str | None = None
) -> T:
    """Repeat a task with growing pauses, as long as it gets further or a few attempts are left."""
    failures, reached = 0, progress()
    while True:
        try:
            return task()
        except Exception as error:
            if fatal := explained(error, wanted):
                raise fatal from None
            now = progress()
            failures, reached = (1 if now > reached else failures + 1), now
            reason = _reason(error)
            if failures > len(PAUSES):
                sentence = (
                    f"no answer from {source or constants.ENDPOINT} after {failures} attempts"
                )
                raise DownloadError(HUB_UNREACHABLE, f"{sentence} ({reason})") from None
            say(f"trying again in {PAUSES[failures - 1]:.0f} s ({reason})")
            time.sleep(PAUSES[failures - 1])


def _reason(error: Exception) -> str:
    # The whole message may hold an address of the storage, signed for whoever reads it.
    if isinstance(error, errors.HfHubHTTPError):
        return f"HTTP {error.response.status_code}"
    return type(error).__name__


def look_up(wanted: Wanted, token: str | bool) -> tuple[str, list[Remote]]:
    """Ask the Hub for the commit and the files to fetch."""
    info = HfApi(token=token).model_info(
        wanted.model, revision=wanted.revision, files_metadata=True, timeout=30
    )
    listed = {sibling.rfilename: sibling for sibling in info.siblings or []}
    chosen = [listed[path] for path in choose(list(listed), wanted.weight_format)]
    if not chosen or info.sha is None:
        sentence = f"{wanted.model} has no weights in the format {wanted.weight_format}"
        raise DownloadError(NOT_FOUND, sentence)
    return info.sha, [
        Remote(
            path=sibling.rfilename,
            size=sibling.size or 0,
            digest=(sibling.lfs.sha256 if sibling.lfs else sibling.blob_id) or "",
        )
        for sibling in chosen
    ]
