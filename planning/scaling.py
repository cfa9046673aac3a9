"""Autoscaling: durations, bounds and addresses as KEDA and its HTTP add-on write them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from planning.names import Names
from planning.triggers import PrometheusToken, Trigger, plan_triggers
from settings.autoscaling import Autoscaling, Interceptor
from settings.models import StackSettings
from settings.triggers import ColdStart as ColdStartSettings

Kind = Literal["interceptorRoute", "httpScaledObject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """So many pods at most may come or go in a period of seconds."""

    pods: int
    period_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsFallback:
    """At least so many replicas, and no fewer than run, once that many reads of a metric failed."""

    replicas: int
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """What a request gets that finds no ready pod: a wait of seconds, and then, or instead."""

    wait_seconds: int
    fallback: tuple[str, int] | None
    placeholder: tuple[int, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePort:
    """A port of a Service of the cluster."""

    namespace: str
    service: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """Replicas by load; durations in seconds, rate in requests/s per replica.

    `kind_is_asked` tells that the stack names its kind, `hosts` are those whose requests are
    counted, and `start_seconds` is what a pod may take to its first answer. `replica_rate` is an
    estimate of the requests/s that one replica serves at best, None where nothing was sized.
    """

    kind: Kind
    kind_is_asked: bool
    hosts: tuple[str, ...]
    min_replicas: int
    max_replicas: int
    idle_replicas: int | None
    requests_per_second: int
    window_seconds: int
    granularity_seconds: int
    request_seconds: int
    scale_down_seconds: int
    goes_to_zero: bool
    start_seconds: int
    scale_up: Steps
    scale_down: Steps
    triggers: tuple[Trigger, ...]
    fallback: MetricsFallback | None
    cold_start: ColdStart
    interceptor: ServicePort
    external_scaler: ServicePort
    replica_rate: float | None = None

    @property
    def cooldown_seconds(self) -> int | None:
        """Seconds without load before the step to zero; None where there is no such step.

        A start that a request set off must not be given up before it is over. An HTTPScaledObject
        counts the rate alone, which forgets a request after its window, though that may be held
        for the whole wait and then be answered for as long as any request may be.
        """
        if not self.goes_to_zero:
            return None
        shortest = max(self.scale_down_seconds, self.start_seconds)
        if self.kind == "httpScaledObject":
            return max(shortest, self.cold_start.wait_seconds + self.request_seconds)
        return shortest

    @property
    def interceptor_host(self) -> str:
        """The name of the interceptor's own Service."""
        return f"{self.interceptor.service}.{self.interceptor.namespace}.svc.cluster.local"

    @property
    def scaler_address(self) -> str:
        """Where KEDA reaches the external scaler."""
        scaler = self.external_scaler
        return f"{scaler.service}.{scaler.namespace}:{scaler.port}"

    @property
    def prometheus_token(self) -> PrometheusToken | None:
        """What KEDA shows Prometheus, None where it asks none or without a token."""
        return next((trigger.token for trigger in self.triggers if trigger.token), None)


def go_duration(seconds: int) -> str:
    """Write seconds as Go's time.Duration prints itself, such as 1m0s: the one stable spelling."""
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def plan_scaling(
    names: Names,
    settings: StackSettings,
    *,
    host: str | None,
    start_seconds: int,
    capacity: int | None,
) -> Scaling | None:
    """Plan the autoscaler, or none where it is disabled.

    `host` is what requests from outside carry, `start_seconds` what a pod may take to its first
    answer, and `capacity` the replicas that the pool holds, None where nobody has said it.
    """
    asked = settings.autoscaling
    if not asked.enabled:
        return None
    return Scaling(
        kind="httpScaledObject" if asked.kind == "httpScaledObject" else "interceptorRoute",
        kind_is_asked=asked.kind != "auto",
        hosts=_hosts(names, host),
        min_replicas=asked.min_replicas,
        max_replicas=asked.max_replicas,
        idle_replicas=asked.idle_replicas,
        requests_per_second=asked.requests_per_second,
        window_seconds=asked.window_seconds,
        granularity_seconds=asked.granularity_seconds,
        request_seconds=settings.request_seconds,
        scale_down_seconds=asked.scale_down_seconds,
        goes_to_zero=asked.goes_to_zero,
        start_seconds=start_seconds,
        scale_up=_scale_up(asked, capacity),
        scale_down=_scale_down(asked),
        triggers=plan_triggers(names, asked),
        fallback=_fallback(asked),
        cold_start=_cold_start(asked.cold_start, start_seconds),
        interceptor=_proxy(asked.interceptor),
        external_scaler=_external_scaler(asked.interceptor),
    )


def _proxy(asked: Interceptor) -> ServicePort:
    return ServicePort(
        namespace=asked.namespace, service=asked.proxy_service, port=asked.proxy_port
    )


def _external_scaler(asked: Interceptor) -> ServicePort:
    return ServicePort(
        namespace=asked.namespace, service=asked.scaler_service, port=asked.scaler_port
    )


def _scale_down(asked: Autoscaling) -> Steps:
    steps = asked.scale_down
    return Steps(pods=steps.pods, period_seconds=steps.period_seconds)


def _scale_up(asked: Autoscaling, capacity: int | None) -> Steps:
    all_at_once = asked.max_replicas if capacity is not None else 1
    return Steps(
        pods=asked.scale_up.pods or all_at_once, period_seconds=asked.scale_up.period_seconds
    )


def _hosts(names: Names, host: str | None) -> tuple[str, ...]:
    """The interceptor drops a port from the Host header (http-add-on 0.15, pkg/routing/key.go).

    The bare name of the Service is left out: routes are cluster-wide, and every namespace may have
    an app of that name.
    """
    inside = f"{names.interceptor}.{names.namespace}"
    named = (inside, f"{inside}.svc", f"{inside}.svc.cluster.local")
    return (host, *named) if host else named


def _fallback(asked: Autoscaling) -> MetricsFallback | None:
    if not asked.reads_prometheus and asked.fallback.replicas is None:
        return None
    return MetricsFallback(
        # KEDA takes 0 for no fallback at all and would go to zero when it knows nothing.
        replicas=asked.fallback.replicas or max(1, asked.min_replicas),
        failures=asked.fallback.failures,
    )


def _cold_start(asked: ColdStartSettings, start_seconds: int) -> ColdStart:
    fallback, placeholder = asked.fallback, asked.placeholder
    return ColdStart(
        wait_seconds=asked.wait_seconds or start_seconds,
        fallback=(fallback.service, fallback.port) if fallback else None,
        placeholder=(placeholder.status_code, placeholder.body) if placeholder else None,
    )
