"""What the cluster itself says about a plan, before anything is registered."""

from __future__ import annotations

from dataclasses import dataclass

import httpx2
from lightkube import Client
from lightkube.core.exceptions import ApiError, ConfigError

from cluster.client import ClusterUnreachableError, connect, reason
from cluster.observed import ObservedNode, has_external_metrics, read_nodes, serves
from planning.plan import Placement, Plan
from settings.mistakes import Mistake

_DEFINITIONS = {
    "interceptorRoute": ("interceptorroutes.http.keda.sh", "scaledobjects.keda.sh"),
    "httpScaledObject": ("httpscaledobjects.http.keda.sh", "scaledobjects.keda.sh"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Mistakes that refuse the plan, and warnings that do not."""

    mistakes: tuple[Mistake, ...] = ()
    warnings: tuple[str, ...] = ()


def inspect(plan: Plan) -> Findings:
    """Compare a plan with its cluster; a cluster that does not answer is a warning."""
    context = plan.cluster.context
    if context is None:
        return Findings()
    try:
        with connect(context) as client:
            return _findings(plan, client)
    except (ApiError, ConfigError, ClusterUnreachableError, httpx2.TransportError) as error:
        return Findings(
            warnings=(
                f"kubernetes.context: {reason(error)}; nothing was checked against '{context}', "
                "which 'pulumi up' needs",
            )
        )


def _findings(plan: Plan, client: Client) -> Findings:
    mistakes: list[Mistake] = []
    warnings: list[str] = []
    if plan.scaling is not None:
        kind = plan.scaling.kind
        absent = [name for name in _DEFINITIONS[kind] if not serves(client, name)]
        mistakes += [_missing(name, kind) for name in absent]
        if not mistakes and not has_external_metrics(client):
            warnings.append(
                "autoscaling: no scaler is running in this cluster (KEDA's metrics are not "
                "available); the objects are accepted, but replicas do not follow the load"
            )
    if not any(_suits(node, plan.placement) for node in read_nodes(client)):
        warnings.append(_no_pool(plan))
    return Findings(mistakes=tuple(mistakes), warnings=tuple(warnings))


def _missing(definition: str, kind: str) -> Mistake:
    return Mistake(
        key="autoscaling.enabled",
        wrong=f"the cluster does not serve {definition}",
        rule=f"autoscaling of kind {kind} needs KEDA and its HTTP add-on",
        remedy="install them (Helm charts kedacore/keda and kedacore/keda-add-ons-http), choose "
        "the other autoscaling.kind, or disable autoscaling",
    )


def _suits(node: ObservedNode, placement: Placement) -> bool:
    labelled = dict(placement.node_selector).items() <= node.labels.items()
    return labelled and int(node.allocatable.get(placement.gpu_resource, "0")) >= placement.gpus


def _no_pool(plan: Plan) -> str:
    placement = plan.placement
    labels = ", ".join(f"{key}={value}" for key, value in placement.node_selector) or "any label"
    return (
        f"preset: no node has {labels} with {placement.gpus} {placement.gpu_resource}; unless the "
        f"pool of '{placement.preset}' grows, the pod stays Pending and 'pulumi up' fails after "
        f"{plan.start.seconds} s"
    )
