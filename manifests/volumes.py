"""Volumes of the server's pod: the model's files, and everything that the container writes."""

from __future__ import annotations

from pulumi_kubernetes.core.v1 import (
    EmptyDirVolumeSourceArgs,
    PersistentVolumeClaimVolumeSourceArgs,
    VolumeArgs,
    VolumeMountArgs,
)

from planning.plan import Plan

_HOME = "/home/vllm"


def server_mounts(plan: Plan) -> list[VolumeMountArgs]:
    """Say where each volume stands in the container."""
    return [
        VolumeMountArgs(name="cache", mount_path=plan.cache.path),
        VolumeMountArgs(name="home", mount_path=_HOME),
        VolumeMountArgs(name="tmp", mount_path="/tmp"),  # noqa: S108 - the container's own
        VolumeMountArgs(name="shm", mount_path="/dev/shm"),  # noqa: S108 - likewise
    ]


def server_volumes(plan: Plan) -> list[VolumeArgs]:
    """Build the volumes."""
    cache = plan.cache
    return [
        VolumeArgs(
            name="cache",
            persistent_volume_claim=PersistentVolumeClaimVolumeSourceArgs(claim_name=cache.claim)
            if cache.claim
            else None,
            empty_dir=None if cache.claim else EmptyDirVolumeSourceArgs(size_limit=cache.size),
        ),
        VolumeArgs(name="home", empty_dir=EmptyDirVolumeSourceArgs(size_limit="10Gi")),
        VolumeArgs(name="tmp", empty_dir=EmptyDirVolumeSourceArgs(size_limit="10Gi")),
        VolumeArgs(
            name="shm",
            empty_dir=EmptyDirVolumeSourceArgs(
                medium="Memory", size_limit=plan.placement.shared_memory
            ),
        ),
    ]
