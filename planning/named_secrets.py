"""Secrets that the stack config names: what is read of each, and what one that lacks brings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from planning.auth import ApiKeyAuth, BasicAuth, OidcAuth
from planning.exposure import SecretTls
from planning.plan import Plan

_PODS_WAIT = "the pods wait for it until 'pulumi up' fails"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedSecret:
    """A Secret in the app's namespace that somebody else makes.

    `key` is the config key that names it, and `entries` are what is read of it, each with the
    config key that chooses it. `consequence` says what happens while something of it is missing.
    """

    key: str
    name: str
    entries: tuple[tuple[str, str], ...] = ()
    consequence: str


def named_secrets(plan: Plan) -> Iterator[NamedSecret]:
    """Collect the Secrets that the plan needs and that the stack does not make."""
    yield from _token(plan)
    yield from _of_callers(plan)
    yield from _certificate(plan)
    yield from _prometheus(plan)
    yield from _variables(plan)
    for index, name in enumerate(plan.server.pull_secrets):
        yield NamedSecret(
            key=f"imagePullSecrets[{index}]",
            name=name,
            consequence="nodes pull images without it",
        )


def _token(plan: Plan) -> Iterator[NamedSecret]:
    if plan.token and plan.token.external is None:
        yield NamedSecret(
            key="huggingFaceTokenSecret.name",
            name=plan.token.name,
            entries=(("huggingFaceTokenSecret.key", plan.token.key),),
            consequence=_PODS_WAIT,
        )


def _variables(plan: Plan) -> Iterator[NamedSecret]:
    for source in plan.server.secret_env:
        where = f"extraEnv.{source.variable}"
        yield NamedSecret(
            key=f"{where}.name",
            name=source.secret_name,
            entries=((f"{where}.key", source.entry),),
            consequence=_PODS_WAIT,
        )


def _of_callers(plan: Plan) -> Iterator[NamedSecret]:
    key, auth = "ingress.auth.secretName", plan.auth
    match auth:
        case ApiKeyAuth(owned=False):
            first, *others = auth.entries
            read = [("ingress.auth.key", first)]
            read += [(f"ingress.auth.otherKeys[{at}]", entry) for at, entry in enumerate(others)]
            yield NamedSecret(
                key=key, name=auth.secret_name, entries=tuple(read), consequence=_PODS_WAIT
            )
        case OidcAuth(secret_name=str(name)):
            yield NamedSecret(
                key=key,
                name=name,
                entries=(("ingress.auth.key", auth.key),),
                consequence=_PODS_WAIT,
            )
        case BasicAuth(secret_name=str(name)):
            # Traefik takes the one entry, whatever it is called.
            yield NamedSecret(key=key, name=name, consequence="nobody is let in until it is there")
        case _:
            pass


def _certificate(plan: Plan) -> Iterator[NamedSecret]:
    tls = plan.ingress.tls if plan.ingress else None
    if isinstance(tls, SecretTls):
        key = "ingress.tls.secretName"
        yield NamedSecret(
            key=key,
            name=tls.secret_name,
            entries=((key, "tls.crt"), (key, "tls.key")),
            consequence="clients are shown another certificate, or none, until it is there",
        )


def _prometheus(plan: Plan) -> Iterator[NamedSecret]:
    token = plan.scaling.prometheus_token if plan.scaling else None
    if token:
        where = "autoscaling.prometheus.tokenSecret"
        read = ((f"{where}.key", token.entry), (f"{where}.caKey", token.ca_entry))
        yield NamedSecret(
            key=f"{where}.name",
            name=token.secret_name,
            entries=tuple((key, entry) for key, entry in read if entry),
            consequence="KEDA does not scale by Prometheus until it is there",
        )
