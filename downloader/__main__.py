"""Bring a model's files into the Hugging Face cache: resumable, verified, with visible progress.

Runs inside the server's image, `python3 -m downloader --model ... --revision ...`, with the
standard library and huggingface_hub alone, which finds, authorises and transfers the files. A file
keeps a name of this program until its hash is right, since huggingface_hub's own downloader names
a partial file at random and starts it anew after an interruption (2.4.0, file_download.py,
`_download_to_tmp_and_move`).
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Generator
from contextlib import contextmanager

from huggingface_hub import constants
from huggingface_hub.utils import disable_progress_bars, logging

from downloader.cache import Wanted, bytes_in, is_complete, other_models, prune, remove
from downloader.hub import NO_ACCESS, WEIGHTS, DownloadError, explained, look_up, persist
from downloader.report import say, still
from downloader.transfer import Download
from downloader.vocabulary import fetch_vocabulary

_PRINTABLE = re.compile(r"[\x21-\x7e]+")


def main() -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="downloader", description="Fetch a model's files.")
    parser.add_argument("--model", required=True, help="Hugging Face repository")
    parser.add_argument("--revision", required=True, help="commit, or a branch")
    parser.add_argument("--weight-format", required=True, choices=sorted(WEIGHTS))
    parser.add_argument("--harmony", action="store_true", help="and the Harmony vocabulary")
    parser.add_argument("--prune-models", action="store_true", help="remove other models")
    parser.add_argument("--prune", action="store_true", help="remove the model's other revisions")
    asked = parser.parse_args()
    wanted = Wanted(model=asked.model, revision=asked.revision, weight_format=asked.weight_format)
    try:
        wanted.folder.mkdir(parents=True, exist_ok=True)
        with _alone(wanted):
            if is_complete(wanted):
                say(f"{wanted.model} at {wanted.revision} is complete")
            else:
                _download(wanted, removes_models=asked.prune_models)
            if asked.harmony:
                fetch_vocabulary(wanted)
            if asked.prune_models:
                others = other_models(wanted)
                say(f"removed {bytes_in(others) / 1e9:.2f} GB of other models")
                remove(others)
            if asked.prune:
                say(f"removed {prune(wanted) / 1e9:.2f} GB of other revisions")
    except Exception as error:
        failure = explained(error, wanted)
        if failure is None:
            raise
        print(failure, file=sys.stderr, flush=True)
        return failure.code
    return 0


def _download(wanted: Wanted, *, removes_models: bool) -> None:
    began, token = time.monotonic(), _token()
    with still(f"asking {constants.ENDPOINT} for the files of {wanted.model}"):
        commit, files = persist(wanted, lambda: look_up(wanted, token), lambda: 0)
    download = Download(wanted=wanted, commit=commit, files=files, token=token)
    total = sum(remote.size for remote in files)
    say(f"{wanted.model} at {commit}: {len(files)} files, {total / 1e9:.2f} GB")
    (wanted.folder / "blobs").mkdir(parents=True, exist_ok=True)
    download.make_room(removes_models=removes_models)
    download.run()
    say(f"complete and verified after {time.monotonic() - began:.0f} s")


def _token() -> str | bool:
    token = os.environ.get("HF_TOKEN", "").strip()
    # The HTTP client would refuse other characters with a message that quotes the whole token.
    if token and not _PRINTABLE.fullmatch(token):
        sentence = "the token holds spaces, line breaks or characters outside ASCII"
        raise DownloadError(NO_ACCESS, f"{sentence}; check the key huggingFaceToken")
    return token or False


@contextmanager
def _alone(wanted: Wanted) -> Generator[None]:
    """Let one process at a time fetch a model; the kernel frees the lock of a killed one."""
    with (wanted.folder / "download.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another download of this model is running; waiting for it")
            with still("waiting for another download of this model"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:
            say("the volume knows no locks; going on without")
        yield


def _stop(number: int, _: object) -> None:
    os._exit(128 + number)


def _run() -> int:
    try:
        return main()
    except Exception:
        traceback.print_exc()
        return 1


if __name__ == "__main__":
    # As the first process of a container it would otherwise not hear the signal.
    signal.signal(signal.SIGTERM, _stop)
    # Progress must be visible even where data comes slowly, and a kill must cost little.
    constants.DOWNLOAD_CHUNK_SIZE = 1 << 20
    disable_progress_bars()
    logging.set_verbosity_error()
    code = _run()
    sys.stdout.flush()
    sys.stderr.flush()
    # Transfers that still run after a failure would keep the interpreter alive.
    os._exit(code)
