"""What autoscaling needs of a cluster: the kinds of KEDA and of its HTTP add-on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lightkube import Client

from cluster.observed_kinds import ObservedKind, read_kind
from planning.scaling import Kind, Scaling
from settings.mistakes import Mistake

_SCALED_OBJECTS = ("scaledobjects.keda.sh", "v1alpha1")
_COUNTERS: Mapping[Kind, tuple[str, str]] = {
    "interceptorRoute": ("interceptorroutes.http.keda.sh", "v1beta1"),
    "httpScaledObject": ("httpscaledobjects.http.keda.sh", "v1alpha1"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedKeda:
    """The kinds that autoscaling is made of: what scales, and what counts requests."""

    scaled_objects: ObservedKind
    counters: Mapping[Kind, ObservedKind]

    @property
    def served(self) -> frozenset[Kind]:
        """Kinds that count requests, but for those that the cluster is known to lack."""
        return frozenset(kind for kind, found in self.counters.items() if found.served is not False)


def read_keda(client: Client, namespace: str) -> ObservedKeda:
    """Read which kinds of KEDA and its HTTP add-on the cluster serves.

    Args:
        client: a client of the cluster.
        namespace: of the app.
    """
    counters: dict[Kind, ObservedKind] = {
        kind: read_kind(client, name, version, namespace=namespace)
        for kind, (name, version) in _COUNTERS.items()
    }
    name, version = _SCALED_OBJECTS
    scaled_objects = read_kind(client, name, version, namespace=namespace)
    return ObservedKeda(scaled_objects=scaled_objects, counters=counters)


def definition_mistakes(scaling: Scaling, keda: ObservedKeda) -> Iterator[Mistake]:
    """Refuse what the cluster does not serve."""
    needed = _needed(scaling, keda)
    other = "choose the other autoscaling.kind, " if scaling.kind_is_asked else ""
    for name, found in needed.items():
        if found.served is False:
            yield Mistake(
                key="autoscaling.enabled",
                wrong=f"the cluster does not serve {name}",
                rule=f"autoscaling of kind {scaling.kind} needs KEDA and its HTTP add-on",
                remedy="install them (Helm charts kedacore/keda and kedacore/keda-add-ons-http), "
                f"{other}or disable autoscaling",
            )


def schema_mistakes(scaling: Scaling, keda: ObservedKeda) -> Iterator[Mistake]:
    """Refuse what an older KEDA or HTTP add-on would drop without a word, where schemas tell.

    `fallback.behavior` came with KEDA 2.17 (keda#6464), a fallback for metrics of the type Value
    with 2.18 (keda#6655), and `coldStart.placeholder` with the add-on's 0.15 (charts#878).
    """
    if scaling.fallback and keda.scaled_objects.lacks("spec", "fallback", "behavior"):
        yield Mistake(
            key="autoscaling.fallback",
            wrong="the cluster's ScaledObject has no fallback.behavior",
            rule="what counts while a metric cannot be read needs KEDA 2.18 or newer",
            remedy="upgrade KEDA, or remove autoscaling.fallback and the targets that are read "
            "from Prometheus (requestsWaiting, concurrency, kvCacheUsage, timeToFirstTokenSeconds)",
        )
    placeholder = scaling.kind == "interceptorRoute" and scaling.cold_start.placeholder
    route = keda.counters["interceptorRoute"]
    if placeholder and route.lacks("spec", "coldStart", "placeholder"):
        yield Mistake(
            key="autoscaling.coldStart.placeholder",
            wrong="the cluster's InterceptorRoute has no coldStart.placeholder",
            rule="an answer at once needs the HTTP add-on 0.15 or newer",
            remedy="upgrade the add-on, or use coldStart.fallback",
        )


def definition_warnings(scaling: Scaling, keda: ObservedKeda) -> Iterator[str]:
    """Warn of what the user may not know of, which is taken to be served."""
    needed = _needed(scaling, keda)
    unknown = [name for name, found in needed.items() if found.served is None]
    if unknown:
        yield (
            f"autoscaling.enabled: whether the cluster serves {' and '.join(unknown)} is not known "
            "(the API server answered 403); it is assumed, and a second scaler may go unnoticed"
        )


def _needed(scaling: Scaling, keda: ObservedKeda) -> dict[str, ObservedKind]:
    counter, _ = _COUNTERS[scaling.kind]
    scaled_objects, _ = _SCALED_OBJECTS
    return {counter: keda.counters[scaling.kind], scaled_objects: keda.scaled_objects}
