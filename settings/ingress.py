"""The way in from outside: the keys of `ingress`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from settings.mistakes import Mistake
from settings.values import Section, Text


class Tls(Section):
    """TLS of the ingress, from a Secret that exists in the app's namespace."""

    secret_name: str = Field(description="Secret with the certificate; without `tls`, plain HTTP")


class Ingress(Section):
    """The way in from outside the cluster."""

    enabled: bool = Field(default=True, description="an address from outside the cluster")
    host: str | None = Field(
        default=None, description="may hold `{app}`, `{namespace}` and `{stack}`"
    )
    class_name: str = Field(default="traefik", description="ingress class")
    tls: Tls | None = None
    auth: Literal["none"] = Field(default="none", description="who may call")
    annotations: dict[str, Text] = Field(default={}, description="added to the Ingress")


def ingress_mistakes(ingress: Ingress) -> Iterator[Mistake]:
    """Find what contradicts itself among the keys of `ingress`."""
    if ingress.enabled and not ingress.host:
        yield Mistake(
            key="ingress.host",
            wrong="is missing",
            rule="an ingress answers on a host of its own",
            remedy="set it (it may hold {app}, {namespace} and {stack}), "
            "or ingress.enabled to false",
        )
