"""What the cluster's namespace and claims say about a plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cluster.observed import ObservedNamespace, quantity_bytes
from planning.plan import Plan
from planning.pod_security import stricter
from planning.units import GIB
from planning.volumes import Cache, HeldClaim
from settings.mistakes import Mistake


def namespace_mistakes(plan: Plan, found: ObservedNamespace | None) -> Iterator[Mistake]:
    """Refuse a namespace of somebody else's, and one that would not admit the pods."""
    name, security = plan.names.namespace, plan.cache.pod_security
    if plan.create_namespace:
        if found is not None and found.stack != plan.names.stack and not plan.cache.adopt:
            yield Mistake(
                key="namespace.create",
                wrong=f"the namespace '{name}' exists, made by {_maker(found.stack)}",
                rule="a stack that creates a namespace deletes it in the end, with all it holds",
                remedy=_instead_of_creating(plan),
            )
    elif found is None:
        yield Mistake(
            key="namespace.name",
            wrong=f"there is no namespace '{name}'",
            rule="namespace.create is false",
            remedy=f"create it ('kubectl create namespace {name}'), or let the stack create it",
        )
    elif stricter(found.enforced, security.level):
        yield Mistake(
            key="cache.storage",
            wrong=f"{plan.cache.storage} needs the Pod Security level {security.level}, and the "
            f"namespace '{name}' enforces {found.enforced}",
            rule=security.reason or "the namespace would admit no pod",
            remedy="choose another storage, or another namespace",
        )


def with_own_namespace(plan: Plan, found: ObservedNamespace | None) -> Plan:
    """Let a stack that no longer wants to create its namespace go on with the one that it made.

    It stays declared: what is no longer declared would be deleted, with the app in it.
    """
    if plan.create_namespace or found is None or found.stack != plan.names.stack:
        return plan
    return replace(plan, create_namespace=True, keep_namespace=True)


def namespace_keeping(plan: Plan) -> Iterator[str]:
    """Say what becomes of a namespace that the stack made and no longer wants to create."""
    if plan.keep_namespace:
        yield (
            f"namespace.create: this stack made the namespace '{plan.names.namespace}', which now "
            "stays when the stack goes"
        )


def claim_mistakes(plan: Plan, held: HeldClaim | None) -> list[Mistake]:
    """Compare the planned cache with the claim that it mounts, if that exists yet."""
    cache = plan.cache
    if cache.storage == "existingClaim":
        return list(_existing_mistakes(plan, held))
    if held is not None:
        if held.stack != plan.names.stack and not cache.adopt:
            return [_foreign(plan, held)]
        mistakes = [*_fixed(cache, held)]
        if mistakes:
            return mistakes
    return cache_mistakes(cache, held.size_bytes if held else None)


def claim_warnings(plan: Plan, own: HeldClaim | None) -> Iterator[str]:
    """Say what becomes of a claim under the name of the app's cache."""
    if own is None:
        return
    if plan.cache.storage == "pvc" and own.stack != plan.names.stack:
        yield f"cache.adopt: the claim '{own.name}' ({own.size}) becomes this stack's"
    if plan.cache.storage != "pvc" and own.stack == plan.names.stack:
        yield (
            f"cache.storage: the claim '{own.name}' ({own.size}) stays, though nothing uses it "
            f"with {plan.cache.storage}; the README says how to remove a cache"
        )


def cache_mistakes(cache: Cache, held: int | None) -> list[Mistake]:
    """Compare the planned size with the claim, which has `held` bytes or does not exist yet."""
    size = held if held and not cache.size_is_asked else quantity_bytes(cache.size)
    if held is not None and size < held:
        return [
            Mistake(
                key="cache.size",
                wrong=f"{cache.size} is less than the {_gib(held)} of the claim '{cache.claim}'",
                rule="a claim can grow and never shrink",
                remedy="remove cache.size to keep the claim as it is, or raise it",
            )
        ]
    if size < cache.files_bytes:
        return [
            Mistake(
                key="cache.size",
                wrong=f"the claim '{cache.claim}' has {_gib(size)}, and the model's files take "
                f"{_gib(cache.files_bytes)}",
                rule="the cache holds the whole model",
                remedy="raise cache.size (a claim that exists needs a class that expands), or "
                "choose a smaller model",
            )
        ]
    return []


def _existing_mistakes(plan: Plan, held: HeldClaim | None) -> Iterator[Mistake]:
    cache = plan.cache
    if held is None:
        yield Mistake(
            key="cache.claimName",
            wrong=f"there is no claim '{cache.claim}' in namespace {plan.names.namespace}",
            rule="the storage existingClaim makes none",
            remedy="create it, correct the name, or let cache.storage be pvc",
        )
        return
    if held.size_bytes < cache.files_bytes:
        yield Mistake(
            key="cache.claimName",
            wrong=f"the claim '{held.name}' has {_gib(held.size_bytes)}, and the model's files "
            f"take {_gib(cache.files_bytes)}",
            rule="the cache holds the whole model",
            remedy="let the claim grow, name another, or choose a smaller model",
        )
    most = plan.server.max_replicas * plan.placement.nodes
    if most > 1 and "ReadWriteMany" not in held.access_modes:
        yield Mistake(
            key="cache.claimName",
            wrong=f"the claim '{held.name}' is {', '.join(held.access_modes)}, and {most} pods "
            "would mount it",
            rule="such a volume attaches to one node, and the next pod would wait forever",
            remedy="name a claim with ReadWriteMany, or run a single pod",
        )


def _instead_of_creating(plan: Plan) -> str:
    if plan.cache.storage != "pvc":  # of the others, none takes cache.adopt
        return "set namespace.create to false, or name another"
    return (
        "set namespace.create to false, name another, or set cache.adopt to true to take over what "
        "an earlier stack left"
    )


def _foreign(plan: Plan, held: HeldClaim) -> Mistake:
    return Mistake(
        key="cache.adopt",
        wrong=f"the claim '{held.name}' exists in namespace {plan.names.namespace}, made by "
        f"{_maker(held.stack)}",
        rule="a stack takes over what it did not make only when it is told to",
        remedy="set cache.adopt to true to take it over with its files, or choose another name "
        "or namespace",
    )


def _fixed(cache: Cache, held: HeldClaim) -> Iterator[Mistake]:
    rule = "a claim keeps its class and its access mode; a new one would delete the files"
    remedy = (
        "put it back, or run 'pulumi state unprotect --all' and choose another name for the app, "
        "whose cache is then empty"
    )
    if cache.storage_class is not None and cache.storage_class != held.storage_class:
        yield Mistake(
            key="cache.storageClass",
            wrong=f"{cache.storage_class} is not the {held.storage_class} of the claim "
            f"'{held.name}'",
            rule=rule,
            remedy=remedy,
        )
    if cache.access_mode not in held.access_modes:
        yield Mistake(
            key="cache.accessMode",
            wrong=f"{cache.access_mode} is not the {', '.join(held.access_modes)} of the claim "
            f"'{held.name}'",
            rule=rule,
            remedy=remedy,
        )


def _maker(stack: str | None) -> str:
    return f"the stack '{stack}'" if stack else "no stack of this program"


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"
