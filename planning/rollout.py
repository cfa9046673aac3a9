"""How pods start, stop and are replaced, and the seconds that each of these may take."""

from __future__ import annotations

import math
from collections.abc import Container

from planning.plan import Drain, Placement, Rollout, StartBudget

IMAGE_BYTES = 12 * 10**9
"""Assumption: the compressed size of a CUDA or ROCm image of vLLM, on the high side."""

IMAGE_BYTES_PER_SECOND = 100 * 10**6
"""Assumption: a node pulls from a registry at 100 MB/s, unpacking included."""

DOWNLOAD_BYTES_PER_SECOND = 50 * 10**6
"""Assumption: a model comes from the Hub at 50 MB/s; rollout.downloadSeconds allows for less."""

LOAD_BYTES_PER_SECOND = 200 * 10**6
"""Assumption: weights come from a network volume at 200 MB/s."""

WARM_UP_SECONDS = 300
"""Compilation, CUDA graphs and profiling: KServe, KAITO and the NIM operator give 10 to 30 minutes
for the whole start, and this part does not grow with the weights."""

PRE_STOP_SECONDS = 15
"""Until every proxy has forgotten a pod that goes; KServe waits as long before SIGTERM."""

DRAIN_SECONDS = 110
"""For requests that have started, so that a pod is gone 130 s after its deletion, as the samples of
the Gateway API inference extension have it."""

_EXIT_SECONDS = 5
"""Assumption: vLLM has ended so long after its own timeout."""


def image_seconds() -> int:
    """Compute the seconds of an image's pull on an empty node."""
    return math.ceil(IMAGE_BYTES / IMAGE_BYTES_PER_SECOND)


def download_seconds(files_bytes: int) -> int:
    """Compute the seconds of a download from the Hub."""
    return math.ceil(files_bytes / DOWNLOAD_BYTES_PER_SECOND)


def start_budget(
    files_bytes: int, *, override: int | None, downloads: bool = True, node_seconds: int = 0
) -> StartBudget:
    """Compute the seconds from a pod's creation to its first answer, on an empty node and cache.

    Args:
        files_bytes: bytes that are downloaded and loaded.
        override: seconds that the stack config asks for instead.
        downloads: whether the pod fetches the files itself, and no Job before it.
        node_seconds: that a node may take to come.
    """
    return StartBudget(
        node_seconds=node_seconds,
        image_seconds=image_seconds(),
        download_seconds=download_seconds(files_bytes) if downloads else 0,
        load_seconds=math.ceil(files_bytes / LOAD_BYTES_PER_SECOND),
        warm_up_seconds=WARM_UP_SECONDS,
        override=override,
    )


def plan_drain(flags: Container[str], *, override: int | None = None) -> Drain:
    """Plan a stop that lets requests finish.

    Args:
        flags: of the vLLM version that is served.
        override: seconds that the stack config gives them instead.
    """
    timeout = DRAIN_SECONDS if override is None else override
    return Drain(
        pre_stop_seconds=PRE_STOP_SECONDS,
        shutdown_timeout=timeout if "--shutdown-timeout" in flags else None,
        grace_seconds=PRE_STOP_SECONDS + timeout + _EXIT_SECONDS,
    )


def plan_rollout(
    pods: int, *, placement: Placement, shared_cache: bool, start: StartBudget, drain: Drain
) -> Rollout:
    """Plan a replacement of pods that never waits for a GPU which only the old pod can free.

    Args:
        pods: as many as there may be.
        placement: of the pods, with the pods that its preset can hold.
        shared_cache: whether pods on different nodes can use the cache at once.
        start: of one pod.
        drain: of one pod.
    """
    # A pod that has gone holds its GPU until it has drained, also beside a spare one. A group's
    # workers are stopped only once its leader has gone, whose garbage their StatefulSet is
    # (LeaderWorkerSet v0.7.0, pod_controller.go).
    grouped = placement.nodes > 1
    each = start.seconds + (2 if grouped else 1) * drain.grace_seconds
    spare = placement.capacity is not None and placement.capacity > pods
    # A single group that is to wait for another beside it waits for ever: its operator makes none
    # (LeaderWorkerSet v0.7.0, wantReplicas).
    surge = spare and shared_cache and pods > int(grouped)
    order = "a new pod first" if surge else "the old pod first" if pods <= 1 else "one by one"
    return Rollout(
        strategy="RollingUpdate" if surge or pods > 1 else "Recreate",
        max_surge=int(surge),
        max_unavailable=int(not surge),
        reason=f"{order}, since {_room(pods, placement, spare, shared_cache)}",
        progress_seconds=each,
        # A group beside the others comes before the first of them is replaced, and all of them are
        # (LeaderWorkerSet v0.7.0, rollingUpdateParameters).
        update_seconds=(max(pods, 1) + int(surge and grouped)) * each,
    )


def _room(pods: int, placement: Placement, spare: bool, shared_cache: bool) -> str:
    if not shared_cache:
        return "its cache may attach to one node only"
    if placement.capacity is None:
        return f"'{placement.preset}' declares no spare capacity"
    if spare and placement.nodes > 1 and pods == 1:
        return "a single group is replaced in its place"
    room = f"'{placement.preset}' has room for {placement.capacity}"
    return f"{room} and at most {pods} run" if spare else f"{room} only"
