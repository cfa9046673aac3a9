"""Who may call: the keys of `ingress.auth`, and which of them each kind takes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal

from pydantic import Field

from settings.mistakes import Mistake
from settings.values import (
    DnsLabel,
    DnsSubdomain,
    EmailDomain,
    HeaderName,
    Image,
    Printable,
    SecretKey,
    Section,
    Url,
)

AuthKind = Literal["none", "apiKey", "basic", "forwardAuth", "middleware", "oidc"]


class Middleware(Section):
    """A Middleware of Traefik that exists."""

    name: DnsSubdomain = Field(description="`middleware`: a Middleware of Traefik that exists")
    namespace: DnsLabel | None = Field(
        default=None, description="`middleware`: where it is; default: the app's namespace"
    )


class Auth(Section):
    """How a caller proves who it is; a text alone is the kind."""

    kind: AuthKind = Field(
        default="none", description="who may call; `ingress.auth` may be this text alone"
    )
    secret_name: DnsSubdomain | None = Field(
        default=None,
        description="`apiKey`, `basic`, `oidc`: a Secret that exists in the app's namespace; "
        "default: made of the secret keys at the end of this table",
    )
    key: SecretKey | None = Field(
        default=None,
        description="`apiKey`, `oidc`: entry of that Secret; default: `api-key`, `client-secret`",
    )
    other_keys: tuple[SecretKey, ...] = Field(
        default=(), description="`apiKey`: further entries of it, whose keys are valid too"
    )
    address: Url | None = Field(
        default=None, description="`forwardAuth`: what answers 2xx to those who may call"
    )
    auth_response_headers: tuple[HeaderName, ...] = Field(
        default=(), description="`forwardAuth`: headers of its answer that go on to the server"
    )
    trust_forward_header: bool = Field(
        default=False, description="`forwardAuth`: keep the X-Forwarded headers of the caller"
    )
    middlewares: tuple[Middleware, ...] = Field(
        default=(), description="`middleware`: in the order in which a request passes them"
    )
    issuer: Url | None = Field(
        default=None, description="`oidc`: what signs the tokens, as they name it"
    )
    client_id: Printable | None = Field(default=None, description="`oidc`: audience of the tokens")
    audiences: tuple[Printable, ...] = Field(default=(), description="`oidc`: further audiences")
    groups: tuple[Printable, ...] = Field(
        default=(), description="`oidc`: a caller is in one of them; default: any"
    )
    email_domains: tuple[EmailDomain, ...] = Field(
        default=(), description="`oidc`: a caller's address ends so; default: any"
    )
    image: Image | None = Field(
        default=None, description="`oidc`: of oauth2-proxy; default: a fixed release"
    )


def kind_alone(value: object) -> object:
    """Take a text for the kind, with the defaults of its other keys."""
    return {"kind": value} if isinstance(value, str) else value


_TAKES: dict[AuthKind, tuple[str, ...]] = {
    "none": (),
    "apiKey": ("secret_name", "key", "other_keys"),
    "basic": ("secret_name",),
    "forwardAuth": ("address", "auth_response_headers", "trust_forward_header"),
    "middleware": ("middlewares",),
    "oidc": (
        "issuer",
        "client_id",
        "secret_name",
        "key",
        "audiences",
        "groups",
        "email_domains",
        "image",
    ),
}
"""Fields beside `kind`, by kind."""

_NEEDS: dict[AuthKind, tuple[str, ...]] = {
    "forwardAuth": ("address",),
    "middleware": ("middlewares",),
    "oidc": ("issuer", "client_id"),
}

_SECRET_OF: dict[AuthKind, str] = {
    "apiKey": "apiKeys",
    "basic": "basicAuthUsers",
    "oidc": "oidcClientSecret",
}
"""The secret key of the stack config that belongs to a kind."""

ANY_CONTROLLER = ("none", "apiKey")
"""Kinds that need nothing of what answers for the ingress class."""


def auth_mistakes(
    auth: Auth, *, enabled: bool, controller: str, secrets: Collection[str]
) -> Iterator[Mistake]:
    """Find what contradicts itself among the keys of `ingress.auth` and the secrets.

    Args:
        auth: what was parsed.
        enabled: whether there is an ingress.
        controller: what answers for the ingress class or the Gateway.
        secrets: the secret keys that the stack config has.
    """
    yield from _foreign_keys(auth)
    for field in _NEEDS.get(auth.kind, ()):
        if not getattr(auth, field):
            yield Mistake(
                key=f"ingress.auth.{_key(field)}",
                wrong="is missing",
                rule=f"the kind '{auth.kind}' needs it",
                remedy="set it in the stack file",
            )
    if enabled and auth.kind not in ANY_CONTROLLER and controller != "traefik":
        yield Mistake(
            key="ingress.auth",
            wrong=f"{auth.kind} is asked of a controller other than Traefik",
            rule="it is a Middleware of Traefik",
            remedy="set it to apiKey, which the server checks itself, or ingress.controller to "
            "traefik if that is what answers",
        )
    yield from _secret_mistakes(auth, secrets)


def _foreign_keys(auth: Auth) -> Iterator[Mistake]:
    taken = _TAKES[auth.kind]
    for field in sorted(auth.model_fields_set - {"kind", *taken}):
        owners = " and ".join(kind for kind, fields in _TAKES.items() if field in fields)
        names = ", ".join(_key(name) for name in taken) or "none"
        yield Mistake(
            key=f"ingress.auth.{_key(field)}",
            wrong=f"is no key of the kind '{auth.kind}'",
            rule=f"it belongs to {owners}; the keys of '{auth.kind}' are {names}",
            remedy="remove it, or set ingress.auth.kind",
        )
    for field in ("key", "other_keys"):
        if field in taken and getattr(auth, field) and not auth.secret_name:
            yield Mistake(
                key=f"ingress.auth.{_key(field)}",
                wrong="is set without secretName",
                rule="it is an entry of a Secret that exists",
                remedy="set ingress.auth.secretName, or remove it",
            )


def _secret_mistakes(auth: Auth, secrets: Collection[str]) -> Iterator[Mistake]:
    own = _SECRET_OF.get(auth.kind)
    for kind, key in _SECRET_OF.items():
        if key in secrets and key != own:
            yield Mistake(
                key=key,
                wrong=f"is set, and ingress.auth is {auth.kind}",
                rule=f"it belongs to the kind {kind}, and protects nothing without it",
                remedy=f"set ingress.auth to {kind}, or remove it ('pulumi config rm {key}')",
            )
    if own in secrets and auth.secret_name:
        yield Mistake(
            key="ingress.auth.secretName",
            wrong=f"is set beside {own}",
            rule="a credential comes from one place",
            remedy="remove one of the two",
        )
    # An API key is made where none is given; nobody can guess the others.
    if own and own not in secrets and not auth.secret_name and auth.kind != "apiKey":
        yield Mistake(
            key=own,
            wrong="is missing",
            rule=f"the kind '{auth.kind}' needs it",
            remedy=f"set it with 'pulumi config set --secret {own}', or name a Secret that exists "
            "in ingress.auth.secretName",
        )


def _key(field: str) -> str:
    return Auth.model_fields[field].alias or field
