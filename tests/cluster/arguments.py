"""What every process of the machine is given as arguments, which all its users can read."""

import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

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
