"""Autoscaling: durations and addresses as KEDA and its HTTP add-on write them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from settings.autoscaling import Autoscaling


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """Replicas by request rate; durations in seconds, rate in requests/s per replica."""

    kind: Literal["interceptorRoute", "httpScaledObject"]
    min_replicas: int
    max_replicas: int
    requests_per_second: int
    window_seconds: int
    granularity_seconds: int
    scale_down_seconds: int
    interceptor_host: str
    interceptor_port: int
    scaler_address: str


def go_duration(seconds: int) -> str:
    """Write seconds as Go's time.Duration prints itself, such as 1m0s: the one stable spelling."""
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def plan_scaling(asked: Autoscaling) -> Scaling | None:
    """Plan the autoscaler, or none where it is disabled."""
    if not asked.enabled:
        return None
    interceptor = asked.interceptor
    return Scaling(
        kind=asked.kind,
        min_replicas=asked.min_replicas,
        max_replicas=asked.max_replicas,
        requests_per_second=asked.requests_per_second,
        window_seconds=asked.window_seconds,
        granularity_seconds=asked.granularity_seconds,
        scale_down_seconds=asked.scale_down_seconds,
        interceptor_host=f"{interceptor.proxy_service}.{interceptor.namespace}.svc.cluster.local",
        interceptor_port=interceptor.proxy_port,
        scaler_address=f"{interceptor.scaler_service}.{interceptor.namespace}"
        f":{interceptor.scaler_port}",
    )
