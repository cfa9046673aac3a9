"""Where the model's files are kept: the keys of `cache`, and which of them each storage takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from settings.mistakes import Mistake
from settings.values import (
    AbsolutePath,
    Bytes,
    DnsLabel,
    DnsSubdomain,
    Driver,
    LabelValue,
    Printable,
    Section,
    StorageClass,
    Text,
)

Storage = Literal["pvc", "existingClaim", "hostPath", "nfs", "csi", "apolo", "none"]


class Cache(Section):
    """The volume that keeps the model's files between restarts."""

    enabled: bool = Field(default=True, description="`false` is short for the storage `none`")
    storage: Storage = Field(
        default="pvc", description="what holds the model's files between restarts"
    )
    size: Bytes | None = Field(
        default=None,
        description="`pvc`, `none`: of the volume; default: the model's files plus headroom",
    )
    storage_class: StorageClass | None = Field(
        default=None, description="`pvc`: of the volume; default: the cluster's"
    )
    access_mode: Literal["ReadWriteOnce", "ReadWriteMany"] = Field(
        default="ReadWriteOnce",
        description="`pvc`: use ReadWriteMany if pods on several nodes share it",
    )
    retain: bool = Field(
        default=True, description="`pvc`: protect the volume, and keep it when the stack goes"
    )
    adopt: bool = Field(
        default=False, description="`pvc`: take over the claim that another stack left"
    )
    prune: bool = Field(
        default=False,
        description="remove the model's other revisions once the wanted one is there, and on a "
        "`pvc` other models, before that if there is no room beside them",
    )
    claim_name: DnsSubdomain | None = Field(
        default=None, description="`existingClaim`: a claim in the app's namespace"
    )
    path: AbsolutePath | None = Field(
        default=None, description="`hostPath`: folder of each node; `nfs`: folder of the server"
    )
    server: Printable | None = Field(default=None, description="`nfs`: its address")
    driver: Driver | None = Field(
        default=None, description="`csi`: a driver of inline volumes on a share or bucket"
    )
    volume_attributes: dict[str, Text] = Field(
        default={}, description="`csi`: what the driver is told"
    )
    cluster: DnsLabel | None = Field(
        default=None,
        description="`apolo`: of the platform, for `storage://{cluster}/{org}/{project}/llm_bundles`",
    )
    org: LabelValue | None = Field(default=None, description="`apolo`: organisation")
    project: LabelValue | None = Field(default=None, description="`apolo`: project")

    @property
    def kind(self) -> Storage:
        """The storage that is used."""
        return self.storage if self.enabled else "none"


_TAKES: dict[Storage, tuple[str, ...]] = {
    "pvc": ("size", "storage_class", "access_mode", "retain", "adopt", "prune"),
    "existingClaim": ("claim_name", "prune"),
    "hostPath": ("path",),
    "nfs": ("server", "path", "prune"),
    "csi": ("driver", "volume_attributes", "prune"),
    "apolo": ("cluster", "org", "project", "prune"),
    "none": ("size",),
}
"""Fields beside `enabled` and `storage`, by storage."""

_OPTIONAL = {*_TAKES["pvc"], "volume_attributes"}


def cache_mistakes(cache: Cache) -> Iterator[Mistake]:
    """Find keys that the storage does not take, and missing ones that it needs.

    A cache that is disabled keeps the keys of its storage for when it is enabled again.
    """
    if not cache.enabled:
        if cache.adopt:
            yield Mistake(
                key="cache.adopt",
                wrong="is true while cache.enabled is false",
                rule="a stack without a cache takes over no claim",
                remedy="remove it, or set cache.enabled to true",
            )
        return
    taken = _TAKES[cache.storage]
    for field in sorted(cache.model_fields_set - {"enabled", "storage", *taken}):
        owners = [kind for kind, fields in _TAKES.items() if field in fields]
        yield Mistake(
            key=f"cache.{_key(field)}",
            wrong=f"is no key of the storage '{cache.storage}'",
            rule=f"it belongs to {' and '.join(owners)}; '{cache.storage}' takes "
            f"{', '.join(_key(name) for name in taken)}",
            remedy=f"remove it, or set cache.storage to {' or '.join(owners)}",
        )
    for field in taken:
        if field not in _OPTIONAL and getattr(cache, field) is None:
            yield Mistake(
                key=f"cache.{_key(field)}",
                wrong="is missing",
                rule=f"the storage '{cache.storage}' needs "
                f"{' and '.join(_key(name) for name in taken if name not in _OPTIONAL)}",
                remedy="set it in the stack file",
            )


def _key(field: str) -> str:
    return Cache.model_fields[field].alias or field
