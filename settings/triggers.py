"""Signals beside the request rate: the keys of `autoscaling` that name metrics and times."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from settings.values import Section

_FIELD = r"[0-9A-Za-z*/,?-]+"
_SCHEDULE = re.compile(rf"{_FIELD}( {_FIELD}){{4}}")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")
_ADDRESS = re.compile(r"https?://[a-zA-Z0-9.-]+(:[0-9]{1,5})?(/[\w./-]*)?")


def _refused(message: str) -> PydanticCustomError:
    return PydanticCustomError("rule", "{message}", {"message": message})


def _check_schedule(value: str) -> str:
    if not _SCHEDULE.fullmatch(value):
        raise _refused("is five fields with single spaces (minute hour day month weekday)")
    return value


def _check_zone(value: str) -> str:
    if not _ZONE.fullmatch(value):
        raise _refused("is a name of the IANA time zone database, such as Europe/Berlin or UTC")
    return value


def _check_address(value: str) -> str:
    if not _ADDRESS.fullmatch(value) or value.endswith("/"):
        raise _refused("is http:// or https:// with a host, and no slash at its end")
    return value


Schedule = Annotated[str, AfterValidator(_check_schedule)]
Zone = Annotated[str, AfterValidator(_check_zone)]
Address = Annotated[str, AfterValidator(_check_address)]


class Prometheus(Section):
    """Where metrics of the server's pods are; KEDA asks there."""

    address: Address = Field(description="URL that KEDA reaches, without `/api/v1`")


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
    failures: int = Field(default=3, ge=0, description="reads that fail in a row before that")


class FallbackService(Section):
    """A Service of the app's namespace that answers where no replica is ready in time."""

    service: str = Field(description="name of a Service in the app's namespace")
    port: int = Field(ge=1, le=65535, description="its port")


class Placeholder(Section):
    """An answer at once, instead of a wait."""

    status_code: int = Field(default=503, ge=100, le=599, description="HTTP status")
    body: str = Field(default="", max_length=32768, description="text of the answer")


class ColdStart(Section):
    """What a request gets that finds no ready replica."""

    wait_seconds: int | None = Field(
        default=None, ge=1, description="how long it is held; default: the start budget"
    )
    fallback: FallbackService | None = None
    placeholder: Placeholder | None = None
