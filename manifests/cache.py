"""The claim of the model cache, and how a pod gets at the model's files."""

from __future__ import annotations

from pulumi_kubernetes.core.v1 import (
    CSIVolumeSourceArgs,
    EmptyDirVolumeSourceArgs,
    HostPathVolumeSourceArgs,
    NFSVolumeSourceArgs,
    PersistentVolumeClaimInitArgs,
    PersistentVolumeClaimSpecArgs,
    PersistentVolumeClaimVolumeSourceArgs,
    VolumeArgs,
    VolumeMountArgs,
    VolumeResourceRequirementsArgs,
)
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from manifests.metadata import object_labels
from planning.names import RETAIN, owner
from planning.plan import Plan
from planning.volumes import Cache, CsiVolume, HostPathVolume, NfsVolume

_VOLUME = "cache"


def cache_mounts(cache: Cache) -> list[VolumeMountArgs]:
    """Say where the cache stands in a container; the platform mounts its own (`apolo`)."""
    if cache.pod_annotations:
        return []
    return [VolumeMountArgs(name=_VOLUME, mount_path=cache.path)]


def cache_volumes(cache: Cache) -> list[VolumeArgs]:
    """Build the volume of the model's files for a pod."""
    if cache.claim is not None:
        claim = PersistentVolumeClaimVolumeSourceArgs(claim_name=cache.claim)
        return [VolumeArgs(name=_VOLUME, persistent_volume_claim=claim)]
    match cache.volume:
        case HostPathVolume(path=path):
            # The kubelet would create one that root alone may write (kubernetes#2630).
            source = HostPathVolumeSourceArgs(path=path, type="Directory")
            return [VolumeArgs(name=_VOLUME, host_path=source)]
        case NfsVolume(server=server, path=path):
            return [VolumeArgs(name=_VOLUME, nfs=NFSVolumeSourceArgs(server=server, path=path))]
        case CsiVolume(driver=driver, attributes=attributes):
            inline = CSIVolumeSourceArgs(driver=driver, volume_attributes=dict(attributes) or None)
            return [VolumeArgs(name=_VOLUME, csi=inline)]
        case None if cache.pod_annotations:
            return []
        case None:
            empty = EmptyDirVolumeSourceArgs(size_limit=cache.size)
            return [VolumeArgs(name=_VOLUME, empty_dir=empty)]


def claim_args(plan: Plan) -> PersistentVolumeClaimInitArgs:
    """Build the claim of the cache; one that is only kept is declared as it is."""
    cache, kept = plan.cache, plan.cache.kept
    retain = kept.retain if kept else cache.retain
    return PersistentVolumeClaimInitArgs(
        metadata=ObjectMetaArgs(
            name=plan.names.cache,
            namespace=plan.names.namespace,
            labels=object_labels(plan, "cache"),
            annotations={**owner(plan.names), RETAIN: "true" if retain else "false"},
        ),
        spec=PersistentVolumeClaimSpecArgs(
            access_modes=list(kept.access_modes) if kept else [cache.access_mode],
            storage_class_name=kept.storage_class if kept else cache.storage_class,
            resources=VolumeResourceRequirementsArgs(
                requests={"storage": kept.size if kept else cache.size}
            ),
        ),
    )


def settled_fields(cache: Cache) -> list[str]:
    """Name the fields that a claim keeps from its creation, since the stack asks for no other."""
    fields: list[str] = []
    if cache.kept or not cache.size_is_asked:
        fields.append("spec.resources.requests.storage")
    if cache.kept or cache.storage_class is None:
        fields.append("spec.storageClassName")
    if cache.kept:
        fields.append("spec.accessModes")
    return fields
