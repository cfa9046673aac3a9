"""Traefik's Middleware of each kind of authentication, and the Secret of its users."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi_kubernetes.core.v1 import SecretInitArgs
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from manifests.metadata import object_labels
from planning.auth import PROXY_PORT, Auth, BasicAuth, ForwardAuth, OidcAuth
from planning.plan import Plan

API_VERSION = "traefik.io/v1alpha1"
KIND = "Middleware"

USERS = "users"
"""The one entry of the Secret that Traefik's basicAuth reads (loadAuthCredentials)."""


def authentication_metadata(plan: Plan, *, named: bool = True) -> ObjectMetaArgs:
    """Metadata of an object of the authentication: of the name that they share, or of none."""
    return ObjectMetaArgs(
        name=plan.names.authentication if named else None,
        namespace=plan.names.namespace,
        labels=object_labels(plan, "authentication"),
    )


def users_secret_args(plan: Plan, users: pulumi.Input[str]) -> SecretInitArgs:
    """Build the Secret of the users, nameless: the old one stays until the new one is named."""
    return SecretInitArgs(
        metadata=authentication_metadata(plan, named=False),
        string_data=pulumi.Output.secret(users).apply(lambda lines: {USERS: lines}),
    )


def middleware_spec(
    plan: Plan, auth: Auth, users: pulumi.Input[str] | None
) -> dict[str, Any] | None:
    """Build the spec of the Middleware that a request passes; none where there is none of ours.

    Args:
        plan: the plan.
        auth: of the plan.
        users: name of the Secret of the users, for the kind `basic`.
    """
    match auth:
        case BasicAuth():
            # The server has no use for a password, and should not see one.
            return {"basicAuth": {"secret": users, "removeHeader": True}}
        case ForwardAuth():
            return {"forwardAuth": _forward(auth)}
        case OidcAuth():
            host = f"{plan.names.authentication}.{plan.names.namespace}.svc.cluster.local"
            return {
                "forwardAuth": {
                    # It answers 202 or 401, and never redirects to a login.
                    "address": f"http://{host}:{PROXY_PORT}/oauth2/auth",
                    "authRequestHeaders": ["Authorization"],
                }
            }
        case _:
            return None


def _forward(auth: ForwardAuth) -> dict[str, Any]:
    spec: dict[str, Any] = {"address": auth.address}
    if auth.response_headers:
        spec["authResponseHeaders"] = list(auth.response_headers)
    if auth.trust_forward_header:
        spec["trustForwardHeader"] = True
    return spec
