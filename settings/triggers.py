"""Signals beside the request rate: the keys of `autoscaling` that name metrics and times."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from settings.schedules import Schedule, Zone
from settings.values import DnsLabel, DnsSubdomain, SecretKey, Section, rule

_ADDRESS = re.compile(
    r"https?://([a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?)(:[0-9]{1,5})?(/[\w./-]*)?"
)
_API = "/api/v1"


def _check_address(value: str) -> str:
    found = _ADDRESS.fullmatch(value)
    if found is None or ".." in found[1] or value.endswith("/"):
        raise rule(
            "is http:// or https:// with a host, and no slash at its end",
            remedy="write it like http://prometheus-operated.monitoring:9090",
        )
    if found[3] and not 1 <= int(found[3][1:]) <= 65535:
        raise rule("has a port from 1 to 65535", remedy="write it like http://prometheus:9090")
    if value.endswith((_API, f"{_API}/query")):
        raise rule(f"ends before {_API}, which KEDA adds", remedy=f"remove {_API} and what follows")
    return value


Address = Annotated[str, AfterValidator(_check_address)]


class PrometheusToken(Section):
    """A bearer token that Prometheus asks for, in a Secret that KEDA reads."""

    name: DnsSubdomain = Field(description="Secret in the app's namespace")
    key: SecretKey = Field(default="token", description="its entry that is the bearer token")
    ca_key: SecretKey | None = Field(
        default=None, description="its entry that is the CA of the address, if that is not public"
    )


class Prometheus(Section):
    """Where metrics of the server's pods are; KEDA asks there."""

    address: Address = Field(description="URL that KEDA reaches, without `/api/v1`")
    token_secret: PrometheusToken | None = None


class Cron(Section):
    """Replicas between two times, whatever the load."""

    start: Schedule = Field(description="cron expression")
    end: Schedule = Field(description="cron expression")
    timezone: Zone = Field(description="IANA time zone")
    replicas: int = Field(ge=1, description="at least so many in between")


class MetricsFallback(Section):
    """What counts while a metric cannot be read."""

    replicas: int | None = Field(
        default=None, ge=1, description="never fewer; default: none added or taken away"
    )
    failures: int = Field(
        default=3, ge=0, le=1000, description="reads that fail in a row before that"
    )


class FallbackService(Section):
    """A Service of the app's namespace that answers where no replica is ready in time."""

    service: DnsLabel = Field(description="name of a Service in the app's namespace")
    port: int = Field(ge=1, le=65535, description="its port")


class Placeholder(Section):
    """An answer at once, instead of a wait."""

    status_code: int = Field(default=503, ge=200, le=599, description="HTTP status")
    body: str = Field(default="", max_length=32768, description="text of the answer")


class ColdStart(Section):
    """What a request gets that finds no ready replica."""

    wait_seconds: int | None = Field(
        default=None, ge=1, le=86400, description="how long it is held; default: the start budget"
    )
    fallback: FallbackService | None = None
    placeholder: Placeholder | None = None
