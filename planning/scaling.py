"""Autoscaling: durations and addresses as KEDA and its HTTP add-on write them."""

from __future__ import annotations

from planning.plan import Scaling
from settings.models import Autoscaling


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
