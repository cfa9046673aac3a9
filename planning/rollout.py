"""One start budget, from the bytes to fetch and load; probes, deadlines and timeouts share it."""

from __future__ import annotations

import math

from planning.plan import StartBudget

GIB = 2**30

IMAGE_BYTES = 12 * 10**9
"""Assumption: the compressed size of a CUDA or ROCm image of vLLM, on the high side."""

IMAGE_BYTES_PER_SECOND = 100 * 10**6
"""Assumption: a node pulls from a registry at 100 MB/s, unpacking included."""

DOWNLOAD_BYTES_PER_SECOND = 50 * 10**6
"""Assumption: a model comes from the Hub at 50 MB/s; slower networks set rollout.startSeconds."""

LOAD_BYTES_PER_SECOND = 200 * 10**6
"""Assumption: weights come from a network volume at 200 MB/s."""

WARM_UP_SECONDS = 300
"""Compilation, CUDA graphs and profiling: KServe, KAITO and the NIM operator give 10 to 30 minutes
for the whole start, and this part does not grow with the weights."""


def start_budget(weights_bytes: int, *, override: int | None) -> StartBudget:
    """Compute the seconds from a pod's creation to its first answer, on an empty node and cache.

    Args:
        weights_bytes: bytes that are downloaded and loaded.
        override: seconds that the stack config asks for instead.
    """
    return StartBudget(
        image_seconds=math.ceil(IMAGE_BYTES / IMAGE_BYTES_PER_SECOND),
        download_seconds=math.ceil(weights_bytes / DOWNLOAD_BYTES_PER_SECOND),
        load_seconds=math.ceil(weights_bytes / LOAD_BYTES_PER_SECOND),
        warm_up_seconds=WARM_UP_SECONDS,
        override=override,
    )


def cache_size(weights_bytes: int) -> str:
    """Give the cache's size: a model's files, a second revision beside them, and a tenth spare."""
    return f"{math.ceil(weights_bytes * 2.1 / GIB / 10) * 10}Gi"
