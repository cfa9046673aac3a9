"""Signals beside the request rate, as triggers of the app's ScaledObject.

The metrics are those of vLLM's own /metrics (vllm/v1/metrics/loggers.py). A scrape must keep the
labels `namespace` and `pod` of the server's pods, as a PodMonitor does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from planning.names import Names, Pairs
from settings.autoscaling import Autoscaling

QUANTILE = 0.95
"""Of the time to the first token: what a person who waits long enough to leave would notice."""

RATE_WINDOW = "2m"
"""Four scrapes of 30 s, so that one may fail without the rate being lost."""

# What Kubernetes makes names of pods from (apimachinery, util/rand): no vowels, no 0, 1 and 3.
_ALPHANUMERIC = "[bcdfghjklmnpqrstvwxz2456789]"

MetricType = Literal["AverageValue", "Value"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusToken:
    """Entries of a Secret in the app's namespace: a bearer token, and a CA or None."""

    secret_name: str
    entry: str
    ca_entry: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One trigger; the metric type says whether its value is a total or a gauge of all pods."""

    type: Literal["prometheus", "cron"]
    name: str
    metric_type: MetricType
    metadata: Pairs
    token: PrometheusToken | None = None


def plan_triggers(names: Names, asked: Autoscaling) -> tuple[Trigger, ...]:
    """Plan a trigger for each target that is set, and one for each span of time.

    A total is shared out over the replicas (AverageValue); of a gauge that is a mean or a quantile
    already, the replicas must grow with its ratio to the target (Value).
    """
    of_pods = pods(names)
    waiting = f"sum(vllm:num_requests_waiting{{{of_pods}}})"
    running = f"sum(vllm:num_requests_running{{{of_pods}}})"
    # The name until 0.10 and the one since; where a version has both, they are equal.
    usage = f'avg({{__name__=~"vllm:(kv|gpu)_cache_usage_perc",{of_pods}}})'
    first_token = _first_token(of_pods, running)
    metrics: tuple[tuple[str, MetricType, str, float | None], ...] = (
        ("requests-waiting", "AverageValue", waiting, asked.requests_waiting),
        ("concurrency", "AverageValue", f"{running} + {waiting}", asked.concurrency),
        ("kv-cache-usage", "Value", usage, asked.kv_cache_usage),
        ("time-to-first-token", "Value", first_token, asked.time_to_first_token_seconds),
    )
    read = tuple(
        Trigger(
            type="prometheus",
            name=name,
            metric_type=metric_type,
            metadata=_read(asked, query, target),
            token=_token(asked),
        )
        for name, metric_type, query, target in metrics
        if target is not None
    )
    return (*read, *_cron(asked))


def _read(asked: Autoscaling, query: str, target: float) -> Pairs:
    return (
        *((("authModes", "bearer"),) if _token(asked) else ()),
        # Where there may be no pods, nothing to scrape is no failure.
        ("ignoreNullValues", str(asked.goes_to_zero).lower()),
        ("query", query),
        ("serverAddress", asked.prometheus.address if asked.prometheus else ""),
        ("threshold", str(target)),
    )


def _token(asked: Autoscaling) -> PrometheusToken | None:
    token = asked.prometheus.token_secret if asked.prometheus else None
    if token is None:
        return None
    return PrometheusToken(secret_name=token.name, entry=token.key, ca_entry=token.ca_key)


def pods(names: Names) -> str:
    """Give the label matchers of the pods of this app's Deployment, and of no other.

    They hold whatever the labels `job` and `instance` are made of. Length and letters are those of
    a ReplicaSet's hash and of a pod's suffix, so that 'vllm-big-...' is no pod of 'vllm'.
    """
    pod = f"{names.server}-{_ALPHANUMERIC}{{1,10}}-{_ALPHANUMERIC}{{5}}"
    return f'namespace="{names.namespace}",pod=~"{pod}"'


def _first_token(of_pods: str, running: str) -> str:
    """Without requests the quantile is NaN, which is calm; without pods there is no value at all.

    A metric that the pods always have tells the two apart, and ends with them at once, where the
    rate goes on for its window.
    """
    buckets = f"vllm:time_to_first_token_seconds_bucket{{{of_pods}}}"
    rates = f"sum by (le) (rate({buckets}[{RATE_WINDOW}]))"
    return f"histogram_quantile({QUANTILE}, {rates}) >= 0 and {running} or 0 * {running}"


def _cron(asked: Autoscaling) -> tuple[Trigger, ...]:
    return tuple(
        Trigger(
            type="cron",
            name=f"cron-{index}",
            metric_type="AverageValue",
            metadata=(
                ("desiredReplicas", str(span.replicas)),
                ("end", span.end),
                ("start", span.start),
                ("timezone", span.timezone),
            ),
        )
        for index, span in enumerate(asked.cron)
    )
