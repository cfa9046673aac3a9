"""What the cluster itself says about a plan, before anything is registered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from lightkube import Client
from lightkube.core.exceptions import ApiError

from cluster.client import UNREADABLE, connect, is_transient, reason
from cluster.definitions import definition_findings
from cluster.devices import device_mistakes, device_warnings, reachable
from cluster.exposure import class_findings, exposure_warnings
from cluster.multi_node import switch_warnings
from cluster.named_secrets import read_entries, secret_warnings
from cluster.network import namespace_warnings
from cluster.objects import is_forbidden
from cluster.observed import (
    ObservedNode,
    read_claim,
    read_namespace,
    read_nodes,
    read_replicas,
)
from cluster.ownership import owner_mistakes, read_stack
from cluster.retries import retried
from cluster.room import download_room_warnings, room_warnings
from cluster.scaling import scaling_findings
from cluster.storage import (
    claim_mistakes,
    claim_warnings,
    namespace_keeping,
    namespace_mistakes,
    with_own_namespace,
)
from cluster.storage_classes import class_mistakes, class_warnings, read_storage_classes
from cluster.volume import with_volume
from planning.cache import with_held_claim
from planning.errors import PlanError
from planning.named_secrets import named_secrets
from planning.network_rules import NamedNamespace
from planning.plan import Placement, Plan
from settings.mistakes import Mistake

_SHARING = "sharing-strategy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The plan with what the cluster holds already, and warnings that do not refuse it."""

    plan: Plan
    warnings: tuple[str, ...] = ()


def inspect(plan: Plan, *, is_update: bool = False) -> Findings:
    """Compare a plan with its cluster.

    A cluster that this program cannot read is a warning. So is one that does not answer a preview;
    an update is refused then, since what the cluster holds already is part of its plan.

    Args:
        plan: the plan.
        is_update: whether what is planned will be made.

    Raises:
        PlanError: the cluster cannot take the plan, or does not answer an update.
    """
    context = plan.cluster.context
    if context is None:
        return Findings(plan=plan)
    try:
        with connect(context) as client:
            return _findings(plan, client, is_update=is_update)
    except UNREADABLE as error:
        return Findings(plan=plan, warnings=(_unchecked(error),))


def _findings(plan: Plan, client: Client, *, is_update: bool) -> Findings:
    mistakes: list[Mistake] = []
    warnings: list[str] = []
    for check in _CHECKS:
        try:
            plan, wrong, doubtful = retried(partial(check, plan, client))
        except UNREADABLE as error:
            if isinstance(error, ApiError) and is_forbidden(error):
                # One that reads what the user may not keeps no other from its own.
                warnings.append(f"kubernetes.context: {error}; what it tells was not checked")
                continue
            if is_update and is_transient(error):
                mistakes.append(_unanswered(error))
            else:
                warnings.append(_unchecked(error))
            break
        mistakes += wrong
        warnings += doubtful
    if mistakes:
        raise PlanError(*mistakes)
    return Findings(plan=plan, warnings=tuple(warnings))


def _unchecked(error: Exception) -> str:
    return (
        f"kubernetes.context: {reason(error)}; the plan was not checked against its cluster, which "
        "'pulumi up' needs"
    )


def _unanswered(error: Exception) -> Mistake:
    return Mistake(
        key="kubernetes.context",
        wrong=reason(error),
        rule="an update is planned with what its cluster holds already, such as claims and "
        "running replicas",
        remedy="try again once the cluster answers ('pulumi preview' goes on without it)",
    )


_Checked = tuple[Plan, Sequence[Mistake], Sequence[str]]
"""The plan with what the cluster holds already, what speaks against it, and what is doubtful."""


def _replicas(plan: Plan, client: Client) -> _Checked:
    scaled = scaling_findings(plan, client)
    absent = _absent(scaled.plan, client, without_scaler=scaled.lacks_scaler)
    return scaled.plan, scaled.mistakes, [*scaled.warnings, *namespace_warnings(absent)]


def _namespace(plan: Plan, client: Client) -> _Checked:
    found = read_namespace(client, plan.names.namespace)
    mistakes = list(namespace_mistakes(plan, found))
    plan = with_own_namespace(plan, found)
    return plan, mistakes, list(namespace_keeping(plan))


def _owner(plan: Plan, client: Client) -> _Checked:
    return plan, list(owner_mistakes(plan.names, read_stack(client, plan.names))), ()


def _secrets(plan: Plan, client: Client) -> _Checked:
    namespace = plan.names.namespace
    warnings: list[str] = []
    for named in named_secrets(plan):
        entries = read_entries(client, namespace, named.name)
        warnings += secret_warnings(named, namespace, entries)
    return plan, (), warnings


def _way_in(plan: Plan, client: Client) -> _Checked:
    mistakes, warnings = definition_findings(plan, client)
    return plan, mistakes, [*warnings, *exposure_warnings(plan, client)]


def _ingress_class(plan: Plan, client: Client) -> _Checked:
    return plan, *class_findings(plan, client)


def _classes(plan: Plan, client: Client) -> _Checked:
    if plan.cache.storage != "pvc":
        return plan, (), ()
    own = read_claim(client, plan.names.namespace, plan.names.cache)
    classes = read_storage_classes(client)
    mistakes = list(class_mistakes(plan.cache, own, classes))
    return plan, mistakes, list(class_warnings(plan, own, classes))


def _claims(plan: Plan, client: Client) -> _Checked:
    mistakes: list[Mistake] = []
    own = read_claim(client, plan.names.namespace, plan.names.cache)
    if plan.cache.claim is not None:
        named = plan.cache.claim == plan.names.cache
        held = own if named else read_claim(client, plan.names.namespace, plan.cache.claim)
        mistakes = claim_mistakes(plan, held)
    return with_held_claim(plan, own), mistakes, list(claim_warnings(plan, own))


def _volume(plan: Plan, client: Client) -> _Checked:
    return with_volume(plan, client), (), ()


def _nodes(plan: Plan, client: Client) -> _Checked:
    nodes = plan.placement.nodes
    pool = [node for node in read_nodes(client) if suits(node, plan.placement)]
    open_to_pods = reachable(pool, plan.placement)
    mistakes = [
        *sharing_mistakes(plan.placement, pool),
        *device_mistakes(plan, open_to_pods),
    ]
    warnings = [_no_pool(plan)] if len(pool) < nodes else list(room_warnings(plan, pool))
    warnings += download_room_warnings(plan, pool)
    warnings += device_warnings(plan, open_to_pods)
    if nodes > 1:
        running = read_replicas(client, plan.names.namespace, plan.names.server)
        warnings += switch_warnings(plan, running)
    return plan, mistakes, warnings


_CHECKS = (
    _replicas,
    _namespace,
    _owner,
    _secrets,
    _way_in,
    _ingress_class,
    _classes,
    _claims,
    _volume,
    _nodes,
)


def _absent(plan: Plan, client: Client, *, without_scaler: bool) -> Iterator[NamedNamespace]:
    for named in plan.network.namespaces if plan.network else ():
        # Without a scaler there is no interceptor to expect, and that has been said.
        told = named.of_interceptor and without_scaler
        if not told and not _may_exist(client, named.name):
            yield named


def _may_exist(client: Client, namespace: str) -> bool:
    try:
        return read_namespace(client, namespace) is not None
    except ApiError as error:
        if not is_forbidden(error):
            raise
        # Of namespaces that are not theirs, most users may not even know.
        return True


def sharing_mistakes(placement: Placement, pool: Iterable[ObservedNode]) -> list[Mistake]:
    """Refuse a pool where a pod may get a GPU that other pods use too, unless it is forced."""
    label = f"{placement.gpu_resource}.{_SHARING}"
    shared = sorted(node.name for node in pool if node.labels.get(label, "none") != "none")
    if not shared or placement.takes_shared_gpus:
        return []
    return [
        Mistake(
            key="preset",
            wrong=f"node {shared[0]} of '{placement.preset}' shares its GPUs among pods",
            rule="vLLM takes its share of a whole GPU, whatever another pod has of it",
            remedy=f"add {label}: none to the pool's nodeSelector, or set force to true",
        )
    ]


def suits(node: ObservedNode, placement: Placement) -> bool:
    """Whether a node is of a pool of the plan, and has as many devices in all as a pod asks."""
    labelled = any(dict(one).items() <= node.labels.items() for one in placement.selectors)
    return labelled and int(node.allocatable.get(placement.gpu_resource, "0")) >= placement.gpus


def _no_pool(plan: Plan) -> str:
    placement = plan.placement
    labels = " or ".join(
        ", ".join(f"{key}={value}" for key, value in one) or "any label"
        for one in placement.selectors
    )
    return (
        f"preset: {_too_few(placement.nodes)} {labels} with {placement.gpus} "
        f"{placement.gpu_resource}; unless the pool of '{placement.preset}' grows, the pod stays "
        f"Pending and 'pulumi up' fails after {plan.start.seconds} s"
    )


def _too_few(nodes: int) -> str:
    return "no node has" if nodes == 1 else f"fewer than {nodes} nodes have"
