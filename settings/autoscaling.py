"""Replicas by load: the keys of `autoscaling`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from settings.triggers import ColdStart, Cron, MetricsFallback, Prometheus
from settings.values import MOST_REPLICAS, DnsLabel, Section


class Interceptor(Section):
    """Where the KEDA HTTP add-on answers; the defaults are those of its Helm chart."""

    namespace: DnsLabel = Field(default="keda", description="namespace of the KEDA HTTP add-on")
    proxy_service: DnsLabel = Field(
        default="keda-add-ons-http-interceptor-proxy", description="Service of its interceptor"
    )
    proxy_port: int = Field(default=8080, ge=1, le=65535, description="port of that Service")
    scaler_service: DnsLabel = Field(
        default="keda-add-ons-http-external-scaler", description="Service of its external scaler"
    )
    scaler_port: int = Field(default=9090, ge=1, le=65535, description="port of that Service")


class ScaleUp(Section):
    """How many replicas may be added at once."""

    pods: int | None = Field(
        default=None,
        ge=1,
        le=MOST_REPLICAS,
        description="at most so many in a period; "
        "default: all that are asked for where the preset declares its capacity, else 1",
    )
    period_seconds: int = Field(default=60, ge=1, le=1800, description="that period")


class ScaleDown(Section):
    """How many replicas may be taken away at once."""

    pods: int = Field(default=1, ge=1, le=MOST_REPLICAS, description="at most so many in a period")
    period_seconds: int = Field(default=60, ge=1, le=1800, description="that period")


class Autoscaling(Section):
    """Replicas by request rate, through the KEDA HTTP add-on, and by further signals."""

    enabled: bool = Field(default=False, description="replicas by request rate, with KEDA")
    min_replicas: int = Field(default=1, ge=0, description="fewest replicas; 0 scales to zero")
    max_replicas: int = Field(default=5, ge=1, le=MOST_REPLICAS, description="most replicas")
    idle_replicas: Literal[0] | None = Field(
        default=None,
        description="`0`: no replicas while idle, at least `minReplicas` under any load",
    )
    requests_per_second: int = Field(
        default=100, ge=1, le=1_000_000, description="target per replica"
    )
    window_seconds: int = Field(
        default=60, ge=1, le=86400, description="over which the rate is averaged"
    )
    granularity_seconds: int = Field(
        default=1, ge=1, le=86400, description="step within that window"
    )
    scale_down_seconds: int = Field(
        default=300, ge=0, le=3600, description="calm before a replica is taken away"
    )
    scale_up: ScaleUp = ScaleUp()
    scale_down: ScaleDown = ScaleDown()
    requests_waiting: int | None = Field(
        default=None, ge=1, description="target of waiting requests per replica"
    )
    concurrency: int | None = Field(
        default=None, ge=1, description="target of running and waiting requests per replica"
    )
    kv_cache_usage: float | None = Field(
        default=None, gt=0, le=1, description="target of the mean share of KV cache in use"
    )
    time_to_first_token_seconds: float | None = Field(
        default=None, gt=0, le=3600, description="target that 95 of 100 requests keep"
    )
    prometheus: Prometheus | None = None
    cron: tuple[Cron, ...] = Field(default=(), description="replicas at certain times")
    fallback: MetricsFallback = MetricsFallback()
    cold_start: ColdStart = ColdStart()
    kind: Literal["auto", "interceptorRoute", "httpScaledObject"] = Field(
        default="auto", description="what counts requests; `auto`: the first that the cluster has"
    )
    interceptor: Interceptor = Interceptor()

    @property
    def goes_to_zero(self) -> bool:
        """Whether there may be no replica at all."""
        return self.min_replicas == 0 or self.idle_replicas is not None

    @property
    def reads_prometheus(self) -> bool:
        """Whether any target is of a metric of vLLM's."""
        return any(
            target is not None
            for target in (
                self.requests_waiting,
                self.concurrency,
                self.kv_cache_usage,
                self.time_to_first_token_seconds,
            )
        )
