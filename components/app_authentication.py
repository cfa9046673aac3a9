"""Who may call: the API keys' Secret, or a Middleware of Traefik and what it asks."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.core.v1 import Secret, SecretInitArgs, Service

from manifests.api_keys import api_key_secret_args
from manifests.auth import (
    API_VERSION,
    KIND,
    authentication_metadata,
    middleware_spec,
    users_secret_args,
)
from manifests.oauth2_proxy import (
    client_secret_args,
    cookie_secret_args,
    proxy_deployment_args,
    proxy_service_args,
)
from planning.auth import ApiKeyAuth, BasicAuth, OidcAuth
from planning.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class AppAuthenticationArgs:
    """The plan, the secrets of the stack by their key, and what must exist before."""

    plan: Plan
    secrets: Mapping[str, pulumi.Input[str]]
    after: tuple[pulumi.Resource, ...] = ()


class AppAuthentication(pulumi.ComponentResource):
    """What the planned kind of authentication needs beside the server."""

    api_keys: pulumi.Output[str] | None = None
    """The uid of the Secret with the server's API keys, if it is the app's own."""

    def __init__(
        self, name: str, args: AppAuthenticationArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        plan, auth = args.plan, args.plan.auth
        super().__init__("llm:index:AppAuthentication", name, {"kind": auth.kind}, opts)
        self._name, self._after = name, list(args.after)
        match auth:
            case ApiKeyAuth(owned=True):
                given = args.secrets.get("apiKeys")
                keys = api_key_secret_args(plan, auth, given or secrets.token_hex(32))
                self.api_keys = _uid(self._secret("keys", keys, generated=given is None))
            case BasicAuth(owned=True):
                users = users_secret_args(plan, auth, args.secrets["basicAuthUsers"])
                self._secret("users", users)
            case OidcAuth():
                self._proxy(plan, auth, args.secrets.get("oidcClientSecret"))
            case _:
                pass
        spec = middleware_spec(plan, auth)
        if spec is not None:
            CustomResource(
                f"{name}-middleware",
                api_version=API_VERSION,
                kind=KIND,
                metadata=authentication_metadata(plan),
                spec=spec,
                opts=self._child(),
            )
        self.register_outputs({"kind": auth.kind})

    def _proxy(self, plan: Plan, auth: OidcAuth, client_secret: pulumi.Input[str] | None) -> None:
        client: pulumi.Output[str] | None = None
        if auth.owned and client_secret is not None:
            client = _uid(self._secret("client", client_secret_args(plan, auth, client_secret)))
        cookie = cookie_secret_args(plan, secrets.token_hex(16))
        made = self._secret("cookie", cookie, generated=True)
        deployment = proxy_deployment_args(plan, auth, client)
        Deployment(
            f"{self._name}-proxy",
            metadata=deployment.metadata,
            spec=deployment.spec,
            opts=self._child(made),
        )
        service = proxy_service_args(plan)
        Service(
            f"{self._name}-service",
            metadata=service.metadata,
            spec=service.spec,
            opts=self._child(),
        )

    def _secret(self, role: str, args: SecretInitArgs, *, generated: bool = False) -> Secret:
        # What was generated at the first `up` stays: every run makes another candidate, which the
        # state's own value outlives.
        kept = pulumi.ResourceOptions(ignore_changes=["stringData"] if generated else None)
        return Secret(
            f"{self._name}-{role}",
            metadata=args.metadata,
            string_data=args.string_data,
            opts=pulumi.ResourceOptions.merge(self._child(), kept),
        )

    def _child(self, *before: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=[*self._after, *before])


def _uid(secret: Secret) -> pulumi.Output[str]:
    """Name a Secret without a trace of its value; another value is another object."""
    return secret.metadata.apply(lambda metadata: str(metadata.uid))
