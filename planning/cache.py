"""Where the model's files are kept: the volume, its size, and a claim that exists already."""

from __future__ import annotations

import json
import math
from dataclasses import replace

from catalog.records import Model
from planning.download import has_download
from planning.errors import PlanError
from planning.names import Names, Pairs
from planning.plan import Plan
from planning.pod_security import pod_security
from planning.replicas import rollout_of
from planning.units import GIB, amount
from planning.volumes import Cache, CsiVolume, HeldClaim, HostPathVolume, NfsVolume, Volume
from settings.cache import Cache as CacheSettings
from settings.cache import Storage
from settings.mistakes import Mistake
from settings.models import StackSettings

CACHE_PATH = "/models"
"""Where the cache is mounted; HF_HOME points here."""

_SHARED = "ReadWriteMany"
_APOLO = "platform.apolo.us"
_BUNDLES = "llm_bundles"


def cache_size(files_bytes: int) -> str:
    """Give the cache's size: a model's files, a second revision beside them, and a tenth spare."""
    return f"{math.ceil(files_bytes * 2.1 / GIB / 10) * 10}Gi"


def plan_cache(model: Model, names: Names, settings: StackSettings) -> Cache:
    """Turn the storage that the stack asks for into what a pod mounts.

    Raises:
        PlanError: it does not hold the model, or has no download Job where one is given time.
    """
    asked = settings.cache
    kind = asked.kind
    if settings.rollout.download_seconds is not None and not has_download(kind):
        raise PlanError(_no_job(kind))
    if kind == "none" and asked.size and amount(asked.size) < model.download_bytes:
        raise PlanError(_too_small(asked.size, model))
    claims = {"pvc": names.cache, "existingClaim": asked.claim_name}
    return Cache(
        storage=kind,
        claim=claims.get(kind),
        size=asked.size or cache_size(model.download_bytes),
        size_is_asked=asked.size is not None,
        files_bytes=model.download_bytes,
        storage_class=asked.storage_class,
        access_mode=asked.access_mode,
        retain=asked.retain and kind == "pvc",
        adopt=asked.adopt,
        prune=asked.prune,
        volume=_volume(asked),
        pod_labels=_pod_labels(asked),
        pod_annotations=_pod_annotations(asked),
        path=CACHE_PATH,
        kept=None,
        pod_security=pod_security(kind),
        download_seconds=settings.rollout.download_seconds,
    )


def _no_job(kind: Storage) -> Mistake:
    return Mistake(
        key="rollout.downloadSeconds",
        wrong=f"is set with the cache.storage {kind}",
        rule="there the server's pod downloads by itself, before any Job could",
        remedy="remove it; rollout.startSeconds covers the download there",
    )


def _too_small(size: str, model: Model) -> Mistake:
    """Refuse a limit that evicts each pod before it has its files, without a sign in the pod."""
    return Mistake(
        key="cache.size",
        wrong=f"{size} is less than the {model.download_bytes / GIB:.1f} GiB of the model's files",
        rule="without storage it limits what a pod downloads, which is evicted beyond that",
        remedy="raise it or remove it",
    )


def with_held_claim(plan: Plan, held: HeldClaim | None) -> Plan:
    """Let a plan go on with the claim that the cluster holds under the name of this app's cache.

    A size that nobody asked for is the claim's, and a claim of the stack's own stays declared when
    the stack turns to another storage: what is no longer declared would be deleted.
    """
    cache = plan.cache
    if held is None:
        return plan
    if cache.storage == "pvc":
        return plan if cache.size_is_asked else _with(plan, replace(cache, size=held.size))
    return _with(plan, replace(cache, kept=held)) if held.stack == plan.names.stack else plan


def with_mounted_claim(plan: Plan, mounted: HeldClaim | None) -> Plan:
    """Let a plan use what a claim that somebody else made can do: whether several nodes read it.

    Args:
        plan: the plan.
        mounted: the claim that the pods mount, None where there is none yet.
    """
    cache = plan.cache
    if mounted is None or cache.storage != "existingClaim" or _SHARED not in mounted.access_modes:
        return plan
    shared = _with(plan, replace(cache, access_mode=_SHARED))
    return replace(shared, rollout=rollout_of(shared, plan.server.max_replicas))


def _with(plan: Plan, cache: Cache) -> Plan:
    return replace(plan, cache=cache)


def _volume(asked: CacheSettings) -> Volume | None:
    match asked.kind, asked.path, asked.server, asked.driver:
        case "hostPath", str(path), _, _:
            return HostPathVolume(path=path)
        case "nfs", str(path), str(server), _:
            return NfsVolume(server=server, path=path)
        case "csi", _, _, str(driver):
            attributes = tuple(sorted(asked.volume_attributes.items()))
            return CsiVolume(driver=driver, attributes=attributes)
        case _:
            return None


def _pod_labels(asked: CacheSettings) -> Pairs:
    if asked.kind != "apolo":
        return ()
    return (
        (f"{_APOLO}/inject-storage", "true"),
        (f"{_APOLO}/org", asked.org or ""),
        (f"{_APOLO}/project", asked.project or ""),
    )


def _pod_annotations(asked: CacheSettings) -> Pairs:
    """The platform's webhook reads which of its folders to mount where."""
    if asked.kind != "apolo":
        return ()
    mount = {
        "storage_uri": f"storage://{asked.cluster}/{asked.org}/{asked.project}/{_BUNDLES}",
        "mount_path": CACHE_PATH,
        "mount_mode": "rw",
    }
    return ((f"{_APOLO}/inject-storage", json.dumps([mount])),)
