"""What every process of the machine is given as arguments, which all its users can read."""

import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.cluster.sandboxes import PATIENCE_SECONDS

_SECONDS = 0.1


@contextmanager
def watched_arguments() -> Generator[set[str]]:
    """Collect the command lines of all processes that are seen until the context ends."""
    seen: set[str] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_SECONDS):
            for process in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    words = (process / "cmdline").read_bytes().decode(errors="replace")
                    seen.add(words.replace("\0", " "))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def show(word: str, seen: set[str]) -> None:
    """Run a process with a word as an argument until it is seen; one that ends soon may not be."""
    command = (sys.executable, "-c", "input()", word)
    deadline = time.monotonic() + PATIENCE_SECONDS
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        while not any(word in each for each in tuple(seen)):
            assert time.monotonic() < deadline
            time.sleep(_SECONDS)
        process.communicate(b"\n")
