"""The claim that keeps the model's files between restarts."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core.v1 import (
    PersistentVolumeClaim,
    PersistentVolumeClaimInitArgs,
    PersistentVolumeClaimSpecArgs,
    VolumeResourceRequirementsArgs,
)
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from planning.names import image_version, labels
from planning.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCacheArgs:
    """A plan whose cache has a claim, and what must exist before it."""

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
        super().__init__("llm:index:ModelCache", name, {"size": cache.size}, opts)
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
                # A claim cannot shrink, so a size that nobody asked for is for its creation.
                ignore_changes=None if cache.size_is_asked else ["spec.resources.requests.storage"],
                protect=cache.retain,
                retain_on_delete=cache.retain,
            ),
        )
        self.register_outputs({"size": cache.size})


def claim_args(plan: Plan) -> PersistentVolumeClaimInitArgs:
    """Build the claim."""
    cache = plan.cache
    return PersistentVolumeClaimInitArgs(
        metadata=ObjectMetaArgs(
            name=cache.claim,
            namespace=plan.names.namespace,
            labels=labels(
                plan.names,
                "cache",
                version=image_version(plan.server.image),
                extra=plan.extra_labels,
            ),
        ),
        spec=PersistentVolumeClaimSpecArgs(
            access_modes=[cache.access_mode],
            storage_class_name=cache.storage_class,
            resources=VolumeResourceRequirementsArgs(requests={"storage": cache.size}),
        ),
    )
