"""Volumes of the server's pod: the model's files, and everything that the container writes."""

from __future__ import annotations

from pulumi_kubernetes.core.v1 import EmptyDirVolumeSourceArgs, VolumeArgs, VolumeMountArgs

from manifests.cache import cache_mounts, cache_volumes
from planning.names import HOME
from planning.plan import Plan


def server_mounts(plan: Plan) -> list[VolumeMountArgs]:
    """Say where each volume stands in the container."""
    return [
        *cache_mounts(plan.cache),
        VolumeMountArgs(name="home", mount_path=HOME),
        VolumeMountArgs(name="tmp", mount_path="/tmp"),  # noqa: S108 - the container's own
        VolumeMountArgs(name="shm", mount_path="/dev/shm"),  # noqa: S108 - likewise
    ]


def server_volumes(plan: Plan) -> list[VolumeArgs]:
    """Build what the mounts name, with shared memory as large as the plan says."""
    return [
        *cache_volumes(plan.cache),
        VolumeArgs(name="home", empty_dir=EmptyDirVolumeSourceArgs(size_limit="10Gi")),
        VolumeArgs(name="tmp", empty_dir=EmptyDirVolumeSourceArgs(size_limit="10Gi")),
        VolumeArgs(
            name="shm",
            empty_dir=EmptyDirVolumeSourceArgs(
                medium="Memory", size_limit=plan.placement.shared_memory
            ),
        ),
    ]
