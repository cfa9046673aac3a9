"""The log of the program, in which no wait is silent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

REPORT_SECONDS = 2.0
"""Between lines; a machine that stands still for a moment leaves less than five all the same."""


def say(text: str) -> None:
    """Write one line to the log at once."""
    print(text, flush=True)


@contextmanager
def repeating(line: Callable[[], str]) -> Generator[None]:
    """Write a line every few seconds until the block ends."""
    ended = threading.Event()

    def report() -> None:
        while not ended.wait(REPORT_SECONDS):
            say(line())

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def still(doing: str) -> Generator[None]:
    """Write every few seconds what goes on, and for how long it has, until the block ends."""
    began = time.monotonic()
    with repeating(lambda: f"still {doing} ({time.monotonic() - began:.0f} s)"):
        yield
