"""The vocabulary of OpenAI's Harmony format, which no repository of a model holds."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import constants, errors
from huggingface_hub.file_download import (
    http_get,  # pyright: ignore[reportUnknownVariableType] - the hub leaves its type open
)

from downloader.cache import Remote, Wanted, is_right
from downloader.hub import CORRUPT, HUB_UNREACHABLE, DownloadError, persist
from downloader.report import say, still

SOURCE = "https://openaipublic.blob.core.windows.net/encodings/"
VOCABULARY = Remote(
    path="o200k_base.tiktoken",
    size=3_613_922,
    digest="446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
)
"""Address, name and SHA-256: openai/harmony, src/tiktoken_ext/public_encodings.rs, which checks the
hash of the file that it loads; size: as openai/harmony#46 lists it."""


def fetch_vocabulary(wanted: Wanted) -> None:
    """Bring the vocabulary into the cache, unless it is there.

    Raises:
        DownloadError: it does not come, or is another file.
    """
    file = Path(constants.HF_HOME) / "encodings" / VOCABULARY.path
    if file.exists() and is_right(file, VOCABULARY):
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    # Another model's download may be under way, and this name is locked with this one's.
    partial = file.with_name(f"{wanted.folder.name}.partial")
    try:
        with still(f"fetching {VOCABULARY.path}"):
            persist(wanted, lambda: _transfer(partial), lambda: 0, SOURCE)
    except DownloadError as error:
        if error.code != HUB_UNREACHABLE:
            raise
        sentence = f"{error}; open network.egressCidrs to it, or put {VOCABULARY.path} into {{}}"
        raise DownloadError(error.code, sentence.format(file.parent)) from None
    if not is_right(partial, VOCABULARY):
        partial.unlink()
        raise DownloadError(CORRUPT, f"{VOCABULARY.path} does not have the pinned hash")
    partial.replace(file)
    say(f"{VOCABULARY.path} is there, for OpenAI's Harmony format")


def _transfer(partial: Path) -> None:
    with partial.open("wb") as content:
        try:
            http_get(f"{SOURCE}{VOCABULARY.path}", content, expected_size=VOCABULARY.size)
        except errors.HfHubHTTPError as error:
            # What the Hub would mean by it is not what this host does.
            raise ConnectionError(f"HTTP {error.response.status_code}") from None
