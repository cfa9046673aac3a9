"""Work that goes on beside a load until its block ends."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self


class Background:
    """A thread for the length of a `with` block; `work` ends soon after `ended` is set."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self.work, daemon=True)

    def work(self) -> None:
        """What the thread does."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ended.set()
        self._thread.join()
