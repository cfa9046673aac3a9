"""What the cluster says about autoscaling: the kind it serves, and who else scales."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from lightkube import Client
from lightkube.core.exceptions import ApiError

from cluster.interceptor import interceptor_mistakes
from cluster.keda import definition_mistakes, definition_warnings, read_keda, schema_mistakes
from cluster.objects import is_forbidden
from cluster.observed import ObservedScaler, read_replicas, read_scalers
from cluster.observed_keda import ObservedMetrics, read_external_metrics
from planning.plan import Plan
from planning.replicas import with_running_replicas
from planning.scaling import Kind, Scaling
from settings.autoscaling_rules import placeholder_mistake
from settings.mistakes import Mistake

_NO_SCALER = (
    "autoscaling: no scaler is running in this cluster (KEDA's metrics are not available); the "
    "objects are accepted, but replicas do not follow the load"
)
_UNKNOWN_SCALER = (
    "autoscaling: whether a scaler is running in this cluster is not known, as the API server "
    "answered 403 to the question who answers for external metrics"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingFindings:
    """The plan as this cluster can scale it, what speaks against it, and what is to be known.

    `lacks_scaler` tells that the cluster has none, which is among the warnings then.
    """

    plan: Plan
    lacks_scaler: bool = False
    mistakes: tuple[Mistake, ...] = ()
    warnings: tuple[str, ...] = ()


def scaling_findings(plan: Plan, client: Client) -> ScalingFindings:
    """Compare who is to own the replicas with who does in the cluster."""
    names = plan.names
    running = read_replicas(client, names.namespace, names.server)
    scalers = read_scalers(client, names.namespace, names.server)
    plan = with_running_replicas(plan, running)
    if plan.scaling is None:
        return ScalingFindings(
            plan=plan,
            mistakes=tuple(zero_mistakes(plan, running, scalers)),
            warnings=tuple(held_warnings(plan, scalers)),
        )
    keda = read_keda(client, names.namespace)
    scaling = replace(plan.scaling, kind=settled_kind(plan.scaling, keda.served))
    plan = replace(plan, scaling=scaling)
    mistakes = [
        *definition_mistakes(scaling, keda),
        *schema_mistakes(scaling, keda),
        *second_scaler_mistakes(plan, scalers),
        *kind_mistakes(scaling),
    ]
    warnings = [*definition_warnings(scaling, keda), *_bound_warnings(scaling, running or 0)]
    runs = _Scaler() if mistakes else _scaler(scaling, client)
    return ScalingFindings(
        plan=plan,
        lacks_scaler=runs.is_absent,
        mistakes=(*mistakes, *runs.mistakes),
        warnings=(*warnings, *runs.warnings),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scaler:
    """Whether the cluster has none, and what is wrong or doubtful with the one that it has."""

    is_absent: bool = False
    mistakes: tuple[Mistake, ...] = ()
    warnings: tuple[str, ...] = ()


def _scaler(scaling: Scaling, client: Client) -> _Scaler:
    try:
        metrics = read_external_metrics(client)
    except ApiError as error:
        if not is_forbidden(error):
            raise
        return _Scaler(warnings=(_UNKNOWN_SCALER,))
    if metrics is None or not metrics.is_available:
        return _Scaler(is_absent=True, warnings=(_NO_SCALER,))
    if not metrics.is_kedas:
        return _Scaler(is_absent=True, warnings=(_other_provider(metrics),))
    return _Scaler(mistakes=tuple(interceptor_mistakes(scaling, client)))


def _other_provider(metrics: ObservedMetrics) -> str:
    return (
        f"autoscaling: the Service {metrics.service} answers for this cluster's external metrics, "
        "and seems not to be KEDA's; the objects are accepted, but replicas do not follow the load"
    )


def kind_mistakes(scaling: Scaling) -> Iterator[Mistake]:
    """Refuse what the rules of the stack config could not, since the cluster settled the kind."""
    settled = scaling.kind == "httpScaledObject" and not scaling.kind_is_asked
    if settled and scaling.cold_start.placeholder:
        yield placeholder_mistake()


def settled_kind(scaling: Scaling, served: frozenset[Kind]) -> Kind:
    """Settle `auto`: the route, unless the cluster serves the older kind only.

    Args:
        scaling: the planned autoscaler.
        served: kinds that the cluster serves.
    """
    if scaling.kind_is_asked:
        return scaling.kind
    older_only = "httpScaledObject" in served and "interceptorRoute" not in served
    return "httpScaledObject" if older_only else "interceptorRoute"


def second_scaler_mistakes(plan: Plan, scalers: Iterable[ObservedScaler]) -> Iterator[Mistake]:
    """Refuse a Deployment that something else scales: two scalers undo each other's counts."""
    for scaler in foreign(plan, scalers):
        yield Mistake(
            key="autoscaling.enabled",
            wrong=f"the {scaler.kind} '{scaler.name}' in namespace {plan.names.namespace} scales "
            f"the Deployment '{plan.names.server}' already",
            rule="one Deployment has one scaler",
            remedy="remove it, or disable autoscaling here and leave replicas unset",
        )


def foreign(plan: Plan, scalers: Iterable[ObservedScaler]) -> Iterator[ObservedScaler]:
    """Pick the scalers that are not of this app; one that KEDA made is judged by its maker."""
    for scaler in scalers:
        made = scaler.owner is not None and scaler.owner[0] == "ScaledObject"
        if not is_own(plan, scaler) and not made:
            yield scaler


def is_own(plan: Plan, scaler: ObservedScaler) -> bool:
    """Whether this program made a scaler for this app.

    A ScaledObject of the app's name with an owner is an operator's, which does with it as it likes.
    """
    named = scaler.kind == "ScaledObject" and scaler.name == plan.names.app
    return named and scaler.ours and scaler.owner is None


def zero_mistakes(
    plan: Plan, running: int | None, scalers: Iterable[ObservedScaler]
) -> Iterator[Mistake]:
    """Refuse to take the autoscaler away while it holds the app at zero: nobody would end that.

    Pulumi deletes it last, so a count that the stack sets would not do either: until then KEDA
    goes back to zero at its next poll (keda 2.21, pkg/scaling/executor/scale_scaledobjects.go).

    Args:
        plan: without autoscaling.
        running: replicas that the Deployment is to have now; None where there is none.
        scalers: of that Deployment.
    """
    none_asked = plan.server.holds_replicas and plan.server.replicas == 0
    if running != 0 or none_asked or not any(is_own(plan, scaler) for scaler in scalers):
        return
    yield Mistake(
        key="autoscaling.enabled",
        wrong="autoscaling is switched off while no replica runs",
        rule="the autoscaler keeps it so until it is deleted, and afterwards nothing starts one",
        remedy="first set autoscaling.enabled to true and minReplicas to 1, without idleReplicas, "
        "and run 'pulumi up'; then switch autoscaling off",
    )


def held_warnings(plan: Plan, scalers: Iterable[ObservedScaler]) -> Iterator[str]:
    """Warn where the stack sets the count that something else scales."""
    if plan.server.holds_replicas:
        for scaler in foreign(plan, scalers):
            yield (
                f"replicas: each 'pulumi up' sets {plan.server.replicas}, and the {scaler.kind} "
                f"'{scaler.name}' another count; remove one of the two"
            )


def _bound_warnings(scaling: Scaling, running: int) -> Iterator[str]:
    if running > scaling.max_replicas:
        yield (
            f"autoscaling.maxReplicas: {scaling.max_replicas} is below the {running} that run, "
            "and the rest goes at once, whatever the load"
        )
