"""Attempts, pauses and an end: how long a look-up over the network may take."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

WORKERS = 8
"""Requests at a time; a checkpoint of 200 shards then takes 25 rounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait, all in seconds.

    `answer` for the next byte of an answer, `pauses` between attempts, `total` for everything that
    one look-up asks. Three attempts that all time out take 32 s.
    """

    answer: float = 10.0
    pauses: tuple[float, ...] = (0.5, 1.5)
    total: float = 35.0


PATIENCE = Patience()

HINT_PATIENCE = Patience(answer=3.0, pauses=(), total=3.0)
"""What a better error message may cost."""


class Deadline:
    """A moment by which the work must have ended, and how the time until then is used."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self._end = time.monotonic() + patience.total

    def remaining(self) -> float:
        """Seconds left, 0 when none."""
        return max(0.0, self._end - time.monotonic())

    def request_timeout(self) -> float:
        """Seconds one request may wait; never 0, which some clients read as "no limit"."""
        return max(0.01, min(self.patience.answer, self.remaining()))


def retry(
    attempt: Callable[[], T],
    is_transient: Callable[[Exception], bool],
    deadline: Deadline,
) -> T:
    """Result of the first attempt that succeeds.

    Raises:
        Exception: what the last attempt raised, when it is not transient, when the pauses are used
            up, or when the next pause would pass the deadline.
    """
    for pause in deadline.patience.pauses:
        try:
            return attempt()
        except Exception as error:
            if not is_transient(error) or pause >= deadline.remaining():
                raise
        time.sleep(pause)
    return attempt()


def in_parallel(
    tasks: Sequence[Callable[[], T]], deadline: Deadline, workers: int = WORKERS
) -> list[T]:
    """Results in the order of the tasks.

    The threads are daemons, because a server that sends one byte now and then keeps a request
    alive for ever and must keep neither the caller nor the end of the process waiting.

    Raises:
        TimeoutError: the deadline passed first.
        Exception: what the first task to fail raised; tasks not yet begun are dropped.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(tasks)):
        waiting.put(number)
    results: dict[int, T] = {}
    ended: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
    stopped = threading.Event()

    def work() -> None:
        while not stopped.is_set():
            try:
                number = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                results[number] = tasks[number]()
                ended.put(None)
            except Exception as error:
                stopped.set()
                ended.put(error)

    for _ in range(min(workers, len(tasks))):
        threading.Thread(target=work, daemon=True).start()
    try:
        _await(ended, len(tasks), deadline)
    finally:
        stopped.set()
    return [results[number] for number in range(len(tasks))]


def _await(ended: "queue.SimpleQueue[Exception | None]", count: int, deadline: Deadline) -> None:
    for number in range(count):
        try:
            error = ended.get(timeout=max(0.001, deadline.remaining()))
        except queue.Empty:
            message = f"{count - number} of {count} requests had not ended in time"
            raise TimeoutError(message) from None
        if error is not None:
            raise error
