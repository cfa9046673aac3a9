"""The Job that fetches a model's files into the cache before the server starts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from planning.names import Pairs
from planning.plan import HeldPlacement, Plan, Toleration
from planning.rollout import download_seconds, image_seconds
from planning.transfer import is_for_transfers
from settings.cache import Storage

OFFLINE = {"HF_HUB_OFFLINE": "1"}
"""What the server runs with once the files are there: it asks the Hub nothing."""

ENCODINGS_VARIABLE = "TIKTOKEN_ENCODINGS_BASE"
"""Where openai_harmony looks for vocabularies; without it, it downloads them (openai/harmony,
src/tiktoken_ext/public_encodings.rs), which a server without a way out cannot (vllm#22525)."""

ENCODINGS = "encodings"
"""Folder of the cache that the Job puts the vocabulary in."""

SHARED: frozenset[Storage] = frozenset({"nfs", "csi", "apolo"})
"""Storages that every node reaches at once."""

CLAIMS: frozenset[Storage] = frozenset({"pvc", "existingClaim"})

ATTEMPTS = 6
"""Pods after the first; the default of a Job. Each goes on where the one before ended."""

SLACK = 2
"""Assumption: checking hashes, and a slow hour of the Hub, at most double the time."""

KEPT_SECONDS = 300
"""A Job that ends at its deadline loses its pod, and with it the reason; Pulumi gives up before."""

_NAME = 36
"""Longest part of the app's name: with "-download-", 8 digits of the key and the 9 characters that
Pulumi adds, a Job's name has 63 characters, as its pods' labels demand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """What the Job runs and where.

    `name` changes with the model, its revision, the weight format and the storage, and `pulumi`
    adds digits of its own. `deadline_seconds` bounds the wait for it. `beside_server` tells that
    the volume attaches to one node at a time, so that the pod has to be where the server is.
    """

    name: str
    args: tuple[str, ...]
    env: Pairs
    cpu: str
    memory: str
    memory_limit: str
    node_selector: Pairs
    node_affinity: tuple[Pairs, ...]
    tolerations: tuple[Toleration, ...]
    beside_server: bool
    attempts: int
    deadline_seconds: int


def has_download(storage: Storage) -> bool:
    """Whether a Job can put files there for the server; elsewhere vLLM downloads by itself.

    A folder of a node (`hostPath`) is filled on the node that the server runs on, which is not
    known before, and `none` lives and dies with the server's pod.
    """
    return storage in SHARED | CLAIMS


def plan_download(plan: Plan) -> Download | None:
    """Plan the Job; None where vLLM downloads by itself."""
    cache = plan.cache
    if not has_download(cache.storage):
        return None
    where = _where(plan)
    return Download(
        name=f"{plan.names.app[:_NAME].rstrip('-')}-download-{_key(plan)}",
        args=_args(plan),
        env=_environment(plan),
        # One core checks hashes as fast as a network brings files; little is asked for, since a
        # node of the server's may have little left.
        cpu="500m",
        memory="1Gi",
        memory_limit="4Gi",
        node_selector=where.node_selector,
        node_affinity=where.node_affinity,
        tolerations=where.tolerations,
        beside_server=is_beside_server(plan),
        attempts=ATTEMPTS,
        deadline_seconds=_deadline_seconds(plan),
    )


def is_beside_server(plan: Plan) -> bool:
    """Whether the Job's pod has to be where the server is, since one node holds the volume."""
    return plan.cache.storage in CLAIMS and not plan.cache.is_shared


def with_held_placements(
    plan: Plan, server: HeldPlacement | None, jobs: Sequence[HeldPlacement]
) -> Plan:
    """Let the Job follow a server that may be in another pool than the planned one.

    Of what a change of pool leaves in the cluster, the Job still tells of it once the server has
    moved: it is as much as another `up` has to know to plan the same Job again.

    Args:
        plan: the plan.
        server: of the Deployment, None where there is none.
        jobs: of the download Jobs.
    """
    if server is None or not is_beside_server(plan):
        return plan
    planned = (plan.placement.node_selector, plan.placement.node_affinity)
    held = {(found.node_selector, found.node_affinity) for found in (server, *jobs)}
    return plan if held == {planned} else replace(plan, moves_from=server)


def _where(plan: Plan) -> HeldPlacement:
    """Place the Job's pod.

    The first pod with a volume decides where that is made, so that it goes to the server's pool.
    Later the server's node, or the volume itself, says where it is, whatever its pool.
    """
    placement = plan.placement
    if not is_beside_server(plan):
        return HeldPlacement(
            node_selector=placement.stack_selector,
            node_affinity=(),
            tolerations=placement.stack_tolerations,
        )
    if plan.moves_from is None:
        return HeldPlacement(
            node_selector=placement.node_selector,
            node_affinity=placement.node_affinity,
            tolerations=placement.tolerations,
        )
    tolerated = (*placement.every_toleration, *plan.moves_from.tolerations)
    return HeldPlacement(
        node_selector=(), node_affinity=(), tolerations=tuple(dict.fromkeys(tolerated))
    )


def _deadline_seconds(plan: Plan) -> int:
    planned = image_seconds() + SLACK * download_seconds(plan.cache.files_bytes)
    return plan.start.node_seconds + (plan.cache.download_seconds or planned)


def _key(plan: Plan) -> str:
    model, cache = plan.model, plan.cache
    place = (cache.storage, cache.claim, cache.volume, cache.pod_annotations)
    identity = repr((model.id, model.revision, model.weight_format, place))
    return hashlib.sha256(identity.encode()).hexdigest()[:8]


def _args(plan: Plan) -> tuple[str, ...]:
    model = plan.model
    # Other apps may keep their models on any other volume.
    own = ("--prune-models",) if plan.cache.storage == "pvc" else ()
    prune = (*own, "--prune") if plan.cache.prune else ()
    looked_for = dict(plan.server.env).get(ENCODINGS_VARIABLE)
    vocabulary = ("--harmony",) if looked_for == f"{plan.cache.path}/{ENCODINGS}" else ()
    return (
        *("--model", model.id),
        *("--revision", model.revision),
        *("--weight-format", model.weight_format),
        *vocabulary,
        *prune,
    )


def _environment(plan: Plan) -> Pairs:
    """The server's variables that a transfer heeds: of huggingface_hub, proxies, certificates."""
    return tuple(
        (name, value)
        for name, value in plan.server.env
        if name not in OFFLINE and is_for_transfers(name)
    )
