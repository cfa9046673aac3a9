"""Where a pod finds the model's files: the records of the cache, its volume and its claim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from planning.names import Pairs
from settings.cache import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPathVolume:
    """A folder of the node that a pod runs on."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NfsVolume:
    """A folder of an NFS server."""

    server: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CsiVolume:
    """An inline volume of a CSI driver."""

    driver: str
    attributes: Pairs


Volume = HostPathVolume | NfsVolume | CsiVolume


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldClaim:
    """A claim that the cluster holds; `stack` is the one that made it, where a stack did."""

    name: str
    size: str
    size_bytes: int
    storage_class: str | None
    access_modes: tuple[str, ...]
    stack: str | None
    retain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSecurity:
    """A Pod Security level, and why it is not `restricted` where it is another."""

    level: Literal["privileged", "baseline", "restricted"]
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """The volume of the model's files.

    `claim` is what the pods mount, `volume` what they mount without one; where both are None, the
    platform mounts it by the pods' annotations (`apolo`), or it lives and dies with the pod.
    `size` is a Kubernetes quantity. A claim keeps the size it was made with unless the stack asks
    for another, so that a smaller model does not shrink it. `kept` is a claim of this stack's that
    is no longer mounted. `pod_security` is the strictest level that admits the volume.
    `download_seconds` is what the stack gives the download Job, None for the planned time.
    """

    storage: Storage
    claim: str | None
    size: str
    size_is_asked: bool
    files_bytes: int
    storage_class: str | None
    access_mode: str
    retain: bool
    adopt: bool
    prune: bool
    volume: Volume | None
    pod_labels: Pairs
    pod_annotations: Pairs
    path: str
    kept: HeldClaim | None
    pod_security: PodSecurity
    download_seconds: int | None = None

    @property
    def is_shared(self) -> bool:
        """Whether pods on different nodes can use it at once."""
        return self.claim is None or self.access_mode == "ReadWriteMany"

    @property
    def keeps_namespace(self) -> bool:
        """Whether the namespace holds files that outlive the stack."""
        kept = self.kept is not None and self.kept.retain
        return self.retain or kept or self.storage == "existingClaim"
