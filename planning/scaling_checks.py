"""What the plan of an autoscaler cannot be served with, and what somebody should know of it."""

from __future__ import annotations

from collections.abc import Iterator

from planning.errors import PlanError
from planning.scaling import Scaling
from planning.scaling_rate import ANSWER_TOKENS, PROMPT_TOKENS, written
from settings.autoscaling import Autoscaling
from settings.mistakes import Mistake
from settings.models import StackSettings
from settings.rules import access_mode_mistakes, may_lower_maximum


def within_capacity(settings: StackSettings, capacity: int | None) -> StackSettings:
    """Lower the most replicas to those that the pool holds, where nobody has asked for a number.

    Args:
        settings: of the stack.
        capacity: replicas that the chosen preset holds, None where nobody has said it.

    Raises:
        PlanError: replicas are asked for that can never run.
    """
    asked = settings.autoscaling
    if not asked.enabled:
        return settings
    # The rules of the stack config have left this to whoever knows the capacity.
    unchecked = may_lower_maximum(settings)
    if capacity is not None:
        # A pool without any has its own warning, and one replica waits as it would without a
        # scaler.
        room = max(1, capacity)
        if "max_replicas" not in asked.model_fields_set:
            most = max(min(asked.max_replicas, room), asked.min_replicas)
            asked = asked.model_copy(update={"max_replicas": most})
            settings = settings.model_copy(update={"autoscaling": asked})
        if asked.max_replicas > room and not settings.force:
            raise PlanError(_beyond(asked, room))
        if mistakes := list(_above_maximum(asked)):
            raise PlanError(*mistakes)
    if unchecked and (mistakes := list(access_mode_mistakes(settings))):
        raise PlanError(*mistakes)
    return settings


def _above_maximum(asked: Autoscaling) -> Iterator[Mistake]:
    """Refuse counts that were below the default maximum until the capacity lowered it."""
    counts = {f"cron[{index}].replicas": span.replicas for index, span in enumerate(asked.cron)}
    if asked.fallback.replicas is not None:
        counts["fallback.replicas"] = asked.fallback.replicas
    most = asked.max_replicas
    for key, count in sorted(counts.items()):
        if count > most:
            yield Mistake(
                key=f"autoscaling.{key}",
                wrong=f"{count} is above the {most} that the preset has capacity for",
                rule="the default of maxReplicas is that capacity, and holds at any time",
                remedy=f"set it to {most} at most, or raise the preset's capacity",
            )


def _beyond(asked: Autoscaling, room: int) -> Mistake:
    low = asked.min_replicas > room
    return Mistake(
        key=f"autoscaling.{'minReplicas' if low else 'maxReplicas'}",
        wrong=f"{asked.min_replicas if low else asked.max_replicas} is above the {room} that the "
        "preset has capacity for",
        rule="the rest would stay Pending, and every 'pulumi up' would wait for them",
        remedy=f"set it to {room} at most, raise the preset's capacity, or set force to true",
    )


def asked_warnings(settings: StackSettings) -> Iterator[str]:
    """Warn of keys that change nothing or show a token, unless autoscaling is said to be off."""
    asked = settings.autoscaling
    if not asked.enabled:
        if asked.model_fields_set and "enabled" not in asked.model_fields_set:
            keys = ", ".join(asked.model_dump(by_alias=True, include=asked.model_fields_set))
            yield (
                f"autoscaling.enabled: is not set, so that {keys} beside it does nothing; set it "
                "to true, or to false to keep autoscaling off"
            )
        return
    if settings.replicas is not None:
        yield (
            f"replicas: {settings.replicas} does nothing, as the autoscaler owns the count; set "
            "autoscaling.minReplicas, or disable autoscaling"
        )
    if asked.prometheus and not asked.reads_prometheus:
        yield (
            "autoscaling.prometheus: is set, and no signal is read there; set requestsWaiting, "
            "concurrency, kvCacheUsage or timeToFirstTokenSeconds, or remove it"
        )
    prometheus = asked.prometheus
    if prometheus and prometheus.token_secret and prometheus.address.startswith("http:"):
        yield (
            f"autoscaling.prometheus.tokenSecret: KEDA sends the token in clear to "
            f"{prometheus.address}; give the https address, and caKey where its CA is not public"
        )
    for index, span in enumerate(asked.cron):
        if span.replicas <= asked.min_replicas and not asked.goes_to_zero:
            yield (
                f"autoscaling.cron[{index}].replicas: {span.replicas} is not above minReplicas "
                f"({asked.min_replicas}), so that the span changes nothing; raise it"
            )


def scaling_warnings(scaling: Scaling | None) -> Iterator[str]:
    """Warn of targets that do not fire, and of requests that wait."""
    if scaling is None:
        return
    if scaling.max_replicas == scaling.min_replicas:
        yield (
            f"autoscaling.maxReplicas: {scaling.max_replicas} is the minimum too, by the stack or "
            "by the preset's capacity, so that no load changes the count"
        )
    if scaling.replica_rate is not None:
        yield from _rate_warnings(scaling, scaling.replica_rate)
    if scaling.goes_to_zero and scaling.cold_start.placeholder is None:
        yield (
            "autoscaling.minReplicas: without load no replica runs, and the first request waits "
            f"up to {scaling.cold_start.wait_seconds} s for one; clients and proxies must wait as "
            "long, or set autoscaling.coldStart"
        )
    if scaling.scale_down_seconds < scaling.window_seconds:
        yield (
            f"autoscaling.scaleDownSeconds: {scaling.scale_down_seconds} is below windowSeconds "
            f"({scaling.window_seconds}), so that a lull which the rate hardly shows takes "
            "replicas away; raise it"
        )
    yield from _pace_warnings(scaling)


def _pace_warnings(scaling: Scaling) -> Iterator[str]:
    """Warn where the HPA forgets replicas that went, and not those that came.

    It adds up both over a period of scaleUp, but keeps what went for a period of scaleDown only
    (podautoscaler/horizontal.go, storeScaleEvent).
    """
    up, down = scaling.scale_up.period_seconds, scaling.scale_down.period_seconds
    if down < up:
        yield (
            f"autoscaling.scaleDown.periodSeconds: {down} is below scaleUp.periodSeconds ({up}), "
            "so that replicas which went are forgotten before those that came, and a load that is "
            f"back soon gets none for up to {up} s; set both to the same"
        )


def _rate_warnings(scaling: Scaling, able: float) -> Iterator[str]:
    if scaling.requests_per_second <= able or scaling.max_replicas == 1:
        return
    # A span of time does not follow the load.
    follows_load = any(trigger.type != "cron" for trigger in scaling.triggers)
    besides = "" if follows_load else ", or set autoscaling.requestsWaiting beside it"
    yield (
        f"autoscaling.requestsPerSecond: {scaling.requests_per_second} is above the "
        f"{written(able)} that one replica can serve at best (an estimate, for {PROMPT_TOKENS} "
        f"tokens in and {ANSWER_TOKENS} out), so that another one comes late; lower it{besides}"
    )
