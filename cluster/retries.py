"""Asks a cluster again whose answer failed for a reason that may pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from cluster.client import UNREADABLE, is_transient

_Answer = TypeVar("_Answer")

PAUSES = (0.25, 0.5, 1.0, 2.0)
"""Seconds before each further try."""

_PATIENCE_SECONDS = 5.0
"""After so long no further try begins, since a silent server takes its whole timeout at each."""


def retried(ask: Callable[[], _Answer]) -> _Answer:
    """Give the first answer, trying again a few times within a few seconds.

    Raises:
        ApiError, ConfigError, ClusterUnreachableError, httpx2.TransportError: the last failure, or
            the first that would not pass.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    for pause in PAUSES:
        try:
            return ask()
        except UNREADABLE as error:
            if not is_transient(error) or time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
    return ask()
