"""Attempts end, in time, with the first success or the last failure."""

import threading
import time
from functools import partial

import pytest

from planning.hub_retry import Deadline, Patience, in_parallel, retry

BRIEF = Patience(answer=0.1, pauses=(0.01, 0.01), total=60.0)
BUSY_SECONDS = 20.0
"""What a busy machine may add to what ends at once."""


def failing(calls: list[int], times: int) -> str:
    calls.append(len(calls))
    if len(calls) <= times:
        raise ConnectionError
    return "answer"


def is_connection(error: Exception) -> bool:
    return isinstance(error, ConnectionError)


@pytest.mark.parametrize("times", [0, 1, 2])
def test_as_many_failures_as_pauses_are_survived(times: int) -> None:
    calls: list[int] = []
    assert retry(partial(failing, calls, times), is_connection, Deadline(BRIEF)) == "answer"
    assert len(calls) == times + 1


def test_the_last_failure_is_raised_when_the_pauses_are_used_up() -> None:
    calls: list[int] = []
    with pytest.raises(ConnectionError):
        retry(partial(failing, calls, 3), is_connection, Deadline(BRIEF))
    assert len(calls) == 3


def test_what_is_not_transient_is_not_tried_again() -> None:
    calls: list[int] = []
    with pytest.raises(ConnectionError):
        retry(partial(failing, calls, 3), lambda _: False, Deadline(BRIEF))
    assert len(calls) == 1


def test_no_pause_reaches_beyond_the_deadline() -> None:
    calls: list[int] = []
    deadline = Deadline(Patience(answer=0.1, pauses=(60.0,), total=0.2))
    started = time.monotonic()
    with pytest.raises(ConnectionError):
        retry(partial(failing, calls, 3), is_connection, deadline)
    assert len(calls) == 1
    assert time.monotonic() - started < BUSY_SECONDS


def test_a_request_never_waits_longer_than_what_is_left() -> None:
    deadline = Deadline(Patience(answer=10.0, pauses=(), total=5.0))
    assert 0 < deadline.request_timeout() <= 5.0


def test_results_come_in_the_order_of_the_tasks() -> None:
    def answer(number: int) -> int:
        time.sleep(0.002 * (5 - number))
        return number

    tasks = [partial(answer, number) for number in range(5)]
    assert in_parallel(tasks, Deadline(BRIEF)) == [0, 1, 2, 3, 4]


def test_a_failure_stops_the_tasks_that_have_not_begun() -> None:
    begun: list[int] = []

    def task(number: int) -> None:
        begun.append(number)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        in_parallel([partial(task, number) for number in range(9)], Deadline(BRIEF), workers=1)
    assert begun == [0]


def test_a_task_that_hangs_does_not_hold_the_caller() -> None:
    released = threading.Event()
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        in_parallel([released.wait], Deadline(Patience(total=0.1)))
    assert time.monotonic() - started < BUSY_SECONDS
    released.set()


def test_no_tasks_give_no_results() -> None:
    assert in_parallel([], Deadline(BRIEF)) == []
