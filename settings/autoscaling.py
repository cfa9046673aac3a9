"""Replicas by load: the keys of `autoscaling`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from settings.mistakes import Mistake
from settings.values import DnsLabel, Section


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


class Autoscaling(Section):
    """Replicas by request rate, through the KEDA HTTP add-on."""

    enabled: bool = Field(default=False, description="replicas by request rate, with KEDA")
    min_replicas: int = Field(default=1, ge=0, description="fewest replicas; 0 scales to zero")
    max_replicas: int = Field(default=5, ge=1, description="most replicas")
    requests_per_second: int = Field(default=100, ge=1, description="target per replica")
    window_seconds: int = Field(default=60, ge=1, description="over which the rate is averaged")
    granularity_seconds: int = Field(default=1, ge=1, description="step within that window")
    scale_down_seconds: int = Field(
        default=300, ge=0, description="calm before a replica is taken away"
    )
    kind: Literal["interceptorRoute", "httpScaledObject"] = Field(
        default="interceptorRoute", description="what counts; older add-ons need the second"
    )
    interceptor: Interceptor = Interceptor()


def autoscaling_mistakes(scaling: Autoscaling, *, ingress: bool) -> Iterator[Mistake]:
    """Find what contradicts itself among the keys of `autoscaling`.

    Args:
        scaling: what was parsed.
        ingress: whether there is a way in from outside.
    """
    if scaling.min_replicas > scaling.max_replicas:
        yield Mistake(
            key="autoscaling.minReplicas",
            wrong=f"{scaling.min_replicas} is above maxReplicas ({scaling.max_replicas})",
            rule="the minimum is at most the maximum",
            remedy="lower minReplicas or raise maxReplicas",
        )
    if scaling.granularity_seconds > scaling.window_seconds:
        yield Mistake(
            key="autoscaling.granularitySeconds",
            wrong=f"{scaling.granularity_seconds} is above windowSeconds "
            f"({scaling.window_seconds})",
            rule="a window holds at least one bucket",
            remedy="lower granularitySeconds or raise windowSeconds",
        )
    if scaling.enabled and not ingress:
        yield Mistake(
            key="autoscaling.enabled",
            wrong="is true while ingress.enabled is false",
            rule="replicas follow the requests that pass the interceptor under the ingress's host",
            remedy="enable the ingress, or disable autoscaling",
        )
