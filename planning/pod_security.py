"""The Pod Security level of the app's namespace: the strictest that admits its volumes."""

from __future__ import annotations

from planning.volumes import PodSecurity
from settings.cache import Storage

LEVELS = ("privileged", "baseline", "restricted")
"""From the loosest to the strictest (kubernetes.io, Pod Security Standards)."""

_LOOSER = {
    "hostPath": PodSecurity(
        level="privileged", reason="the levels baseline and restricted admit no hostPath volume"
    ),
    "nfs": PodSecurity(
        level="baseline",
        reason="the level restricted admits no NFS volume in a pod; a claim (existingClaim) of "
        "an NFS volume needs no looser level",
    ),
    "apolo": PodSecurity(
        level="baseline",
        reason="the platform puts an NFS volume into the pod, which the level restricted does "
        "not admit",
    ),
}


def pod_security(storage: Storage) -> PodSecurity:
    """Give the level for a storage; the container itself satisfies `restricted` in every case."""
    return _LOOSER.get(storage, PodSecurity(level="restricted", reason=None))


def stricter(level: str, other: str) -> bool:
    """Whether a level admits less than the other; an unknown one is taken for the loosest."""
    ranks = [LEVELS.index(name) if name in LEVELS else 0 for name in (level, other)]
    return ranks[0] > ranks[1]


def security_warning(storage: Storage, namespace: str) -> tuple[str, ...]:
    """Say which level the namespace has, and why, where it is not the strictest."""
    security = pod_security(storage)
    if security.reason is None:
        return ()
    return (
        f"cache.storage: {storage} needs the Pod Security level {security.level} in namespace "
        f"{namespace}, for all its pods: {security.reason}",
    )
