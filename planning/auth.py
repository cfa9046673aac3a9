"""Who may call: one typed record for each kind of authentication."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from planning.errors import PlanError
from planning.exposure import MiddlewareReference
from planning.names import Names
from settings.auth import ANY_CONTROLLER, AuthKind
from settings.auth import Auth as AuthSettings
from settings.autoscaling import Autoscaling
from settings.credentials import looks_secret
from settings.mistakes import Mistake
from settings.models import StackSettings

API_KEY = "api-key"
"""The entry of the Secret that holds the key which clients use."""

ALL_API_KEYS = "api-keys"
"""The entry of the Secret that the server reads, with every key, one a line."""

PROXY_PORT = 4180
"""The port of oauth2-proxy, its own default."""

PROXY_IMAGE = "quay.io/oauth2-proxy/oauth2-proxy:v7.15.2"


_SECRET_PARAMETER = re.compile(
    r"(?:^|[-_.])(?:api)?(?:key|token|secret|password|passwd|sig|signature|credential)s?$", re.I
)
"""Names of parameters of a URL that stand before a credential."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAuth:
    """Whoever reaches the address may call."""

    kind: Literal["none"] = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyAuth:
    """The server itself takes the keys in entries of a Secret; `owned` tells whose Secret.

    `key` is the entry that clients in the cluster read; the server reads `entries`.
    """

    kind: Literal["apiKey"] = "apiKey"
    secret_name: str
    key: str
    entries: tuple[str, ...]
    owned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicAuth:
    """Users in lines of htpasswd: in the one entry of a Secret that exists, or the app's own."""

    kind: Literal["basic"] = "basic"
    secret_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardAuth:
    """A server elsewhere answers 2xx to those who may call."""

    kind: Literal["forwardAuth"] = "forwardAuth"
    address: str
    response_headers: tuple[str, ...]
    trust_forward_header: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MiddlewareAuth:
    """Middlewares that exist."""

    kind: Literal["middleware"] = "middleware"
    middlewares: tuple[MiddlewareReference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcAuth:
    """Tokens of an OpenID Connect issuer, checked by oauth2-proxy beside the server.

    The secret of the client is in an entry of a Secret that exists, or of the app's own.
    """

    kind: Literal["oidc"] = "oidc"
    issuer: str
    client_id: str
    audiences: tuple[str, ...]
    groups: tuple[str, ...]
    email_domains: tuple[str, ...]
    image: str
    secret_name: str | None
    key: str


Auth = NoAuth | ApiKeyAuth | BasicAuth | ForwardAuth | MiddlewareAuth | OidcAuth


def plan_auth(names: Names, settings: StackSettings) -> Auth:
    """Plan who may call; a kind that stands at the way in is none where there is no way in.

    Raises:
        PlanError: the Secret that exists is one that the stack makes, or an address holds a secret.
    """
    asked = settings.ingress.auth
    if asked.kind == "apiKey":
        return _api_key(names, asked)
    return _at_the_way_in(names, asked) if settings.ingress.enabled else NoAuth()


def _at_the_way_in(names: Names, asked: AuthSettings) -> Auth:
    match asked.kind:
        case "basic":
            return BasicAuth(secret_name=asked.secret_name)
        case "forwardAuth":
            return ForwardAuth(
                address=_without_secret(asked.address or ""),
                response_headers=asked.auth_response_headers,
                trust_forward_header=asked.trust_forward_header,
            )
        case "middleware":
            named = ((each.namespace or names.namespace, each.name) for each in asked.middlewares)
            return MiddlewareAuth(
                middlewares=tuple(
                    MiddlewareReference(namespace=at, name=name) for at, name in named
                )
            )
        case "oidc":
            return _oidc(asked)
        case _:
            return NoAuth()


def _without_secret(address: str) -> str:
    """Refuse an address whose query looks like a secret, without showing it."""
    query = parse_qsl(urlsplit(address).query)
    if any(_SECRET_PARAMETER.search(name) or looks_secret(value) for name, value in query):
        raise PlanError(
            Mistake(
                key="ingress.auth.address",
                wrong="has a query that looks like a secret",
                rule="it would stand in clear in the Middleware and in the state of the stack",
                remedy="remove it; or make a Middleware with that address by other means, and name "
                "it in ingress.auth.middlewares (kind middleware)",
            )
        )
    return address


def _api_key(names: Names, asked: AuthSettings) -> ApiKeyAuth:
    if asked.secret_name is None:
        return ApiKeyAuth(
            secret_name=names.api_key, key=API_KEY, entries=(ALL_API_KEYS,), owned=True
        )
    if asked.secret_name == names.api_key:
        raise PlanError(
            Mistake(
                key="ingress.auth.secretName",
                wrong=f"'{asked.secret_name}' is the Secret that the stack makes of its own keys",
                rule="a Secret that exists is another's, and the stack would delete its own",
                remedy="remove it, and set apiKeys if the keys are to be others; or name another",
            )
        )
    key = asked.key or API_KEY
    return ApiKeyAuth(
        secret_name=asked.secret_name, key=key, entries=(key, *asked.other_keys), owned=False
    )


def _oidc(asked: AuthSettings) -> OidcAuth:
    return OidcAuth(
        issuer=asked.issuer or "",
        client_id=asked.client_id or "",
        audiences=asked.audiences,
        groups=asked.groups,
        email_domains=asked.email_domains,
        image=asked.image or PROXY_IMAGE,
        secret_name=asked.secret_name,
        key=asked.key or "client-secret",
    )


def auth_warnings(settings: StackSettings) -> Iterator[str]:
    """Warn of callers whom the configured kind asks nothing."""
    kind = settings.ingress.auth.kind
    if not settings.ingress.enabled:
        if kind not in ANY_CONTROLLER:
            yield (
                f"ingress.enabled: false, so ingress.auth {kind}, which is checked at the ingress "
                "only, does nothing; set ingress.auth to apiKey, which the server checks, or "
                "remove it"
            )
        return
    if settings.autoscaling.enabled:
        yield from _scaled_warnings(kind, settings.autoscaling)


def _scaled_warnings(kind: AuthKind, scaling: Autoscaling) -> Iterator[str]:
    """Warn of what autoscaling lets pass: its interceptor is behind Traefik, and before vLLM."""
    if kind not in ANY_CONTROLLER:
        yield (
            f"ingress.auth: {kind} is checked at the ingress only, and with autoscaling every pod "
            f"of the cluster that reaches the interceptor may call; close the namespace "
            f"{scaling.interceptor.namespace} to others by a NetworkPolicy, or set it to apiKey"
        )
    elif kind == "apiKey" and 0 in (scaling.min_replicas, scaling.idle_replicas):
        yield (
            "ingress.auth: apiKey is checked by the server, so that a request without a key, too, "
            "starts one where none runs; keep one (autoscaling.minReplicas: 1, no idleReplicas), "
            "or let Traefik ask (basic, forwardAuth, middleware, oidc)"
        )


def auth_middlewares(names: Names, auth: Auth) -> tuple[MiddlewareReference, ...]:
    """Name the middlewares that a request passes, in order."""
    match auth:
        case NoAuth() | ApiKeyAuth():
            return ()
        case MiddlewareAuth():
            return auth.middlewares
        case _:
            own = MiddlewareReference(namespace=names.namespace, name=names.authentication)
            return (own,)
