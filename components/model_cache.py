"""The claim that keeps the model's files between restarts."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core.v1 import PersistentVolumeClaim

from manifests.cache import claim_args, settled_fields
from planning.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCacheArgs:
    """A plan whose cache has a claim of its own, and what must exist before it."""

    plan: Plan
    after: tuple[pulumi.Resource, ...] = ()


class ModelCache(pulumi.ComponentResource):
    """A PersistentVolumeClaim, protected and retained unless the stack says otherwise."""

    claim: PersistentVolumeClaim
    """The claim; the server waits for it."""

    def __init__(
        self, name: str, args: ModelCacheArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        cache = args.plan.cache
        retain = cache.kept.retain if cache.kept else cache.retain
        super().__init__("llm:index:ModelCache", name, {"kind": cache.storage}, opts)
        claim = claim_args(args.plan)
        self.claim = PersistentVolumeClaim(
            f"{name}-claim",
            metadata=claim.metadata,
            spec=claim.spec,
            # On the claim itself: whether a component passes these down has differed between SDKs
            # (pulumi#19654).
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=list(args.after),
                # A claim cannot shrink nor change its class: what nobody asked for is for its
                # creation.
                ignore_changes=settled_fields(cache),
                protect=retain,
                retain_on_delete=retain,
            ),
        )
        self.register_outputs({"kind": cache.storage})
