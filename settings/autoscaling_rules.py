"""Rules among the keys of `autoscaling`."""

from __future__ import annotations

from collections.abc import Iterator

from settings.autoscaling import Autoscaling
from settings.mistakes import Mistake


def autoscaling_mistakes(scaling: Autoscaling) -> Iterator[Mistake]:
    """Find what contradicts itself among the keys of `autoscaling`."""
    yield from _counts(scaling)
    if scaling.granularity_seconds > scaling.window_seconds:
        yield Mistake(
            key="autoscaling.granularitySeconds",
            wrong=f"{scaling.granularity_seconds} is above windowSeconds "
            f"({scaling.window_seconds})",
            rule="a window holds at least one bucket",
            remedy="lower granularitySeconds or raise windowSeconds",
        )
    yield from _signals(scaling)
    if scaling.cold_start.fallback and scaling.cold_start.placeholder:
        yield Mistake(
            key="autoscaling.coldStart.fallback",
            wrong="is set beside coldStart.placeholder",
            rule="the placeholder answers at once, so no request would wait for the fallback",
            remedy="remove one of the two",
        )
    asks_older = scaling.enabled and scaling.kind == "httpScaledObject"
    if asks_older and scaling.cold_start.placeholder:
        yield placeholder_mistake()


def _counts(scaling: Autoscaling) -> Iterator[Mistake]:
    if scaling.min_replicas > scaling.max_replicas:
        yield Mistake(
            key="autoscaling.minReplicas",
            wrong=f"{scaling.min_replicas} is above maxReplicas ({scaling.max_replicas})",
            rule="the minimum is at most the maximum",
            remedy="lower minReplicas or raise maxReplicas",
        )
    if scaling.idle_replicas is not None and scaling.min_replicas == 0:
        yield Mistake(
            key="autoscaling.idleReplicas",
            wrong="0 is not below minReplicas (0)",
            rule="it is for a minimum under load that is above none",
            remedy="remove idleReplicas, or raise minReplicas",
        )
    least = scaling.fallback.replicas
    if least is not None and least > scaling.max_replicas:
        yield Mistake(
            key="autoscaling.fallback.replicas",
            wrong=f"{least} is above maxReplicas ({scaling.max_replicas})",
            rule="a fallback is within the bounds",
            remedy="lower fallback.replicas or raise maxReplicas",
        )


def _signals(scaling: Autoscaling) -> Iterator[Mistake]:
    if scaling.reads_prometheus and scaling.prometheus is None:
        yield Mistake(
            key="autoscaling.prometheus",
            wrong="is missing",
            rule="requestsWaiting, concurrency, kvCacheUsage and timeToFirstTokenSeconds are "
            "metrics of vLLM, which KEDA reads from Prometheus",
            remedy="set prometheus.address to the URL of one that scrapes the server's pods",
        )
    prometheus = scaling.prometheus
    token = prometheus.token_secret if prometheus else None
    if prometheus and token and token.ca_key and not prometheus.address.startswith("https:"):
        yield Mistake(
            key="autoscaling.prometheus.tokenSecret.caKey",
            wrong=f"is set for {prometheus.address}",
            rule="only an https address has a certificate",
            remedy="remove it, or set prometheus.address to the https one",
        )
    for index, cron in enumerate(scaling.cron):
        key = f"autoscaling.cron[{index}]"
        if cron.start == cron.end:
            yield Mistake(
                key=f"{key}.end",
                wrong=f"'{cron.end}' is the start too",
                rule="KEDA takes no span that ends as it starts",
                remedy="change one of the two",
            )
        if cron.replicas > scaling.max_replicas:
            yield Mistake(
                key=f"{key}.replicas",
                wrong=f"{cron.replicas} is above maxReplicas ({scaling.max_replicas})",
                rule="the maximum holds at any time",
                remedy="lower it or raise maxReplicas",
            )


def placeholder_mistake() -> Mistake:
    """Refuse an answer at once for an HTTPScaledObject, which can carry all else."""
    return Mistake(
        key="autoscaling.coldStart.placeholder",
        wrong="is set for the kind httpScaledObject",
        rule="an HTTPScaledObject has no answer of its own",
        remedy="set autoscaling.kind to interceptorRoute (HTTP add-on 0.15 or newer), or use "
        "coldStart.fallback",
    )
