"""Who may call: the API keys' Secrets, or a Middleware of Traefik and what it asks."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.core.v1 import Secret, SecretInitArgs, Service

from manifests.api_keys import ApiKeys, client_key_args, server_keys_args
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

    api_keys: ApiKeys | None = None
    """Where the server's API keys are, if they are the app's own."""

    middleware: CustomResource | None = None
    """What asks callers before the server, if it is the app's own."""

    def __init__(
        self, name: str, args: AppAuthenticationArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        plan, auth = args.plan, args.plan.auth
        super().__init__("llm:index:AppAuthentication", name, {"kind": auth.kind}, opts)
        self._name, self._after = name, list(args.after)
        users: pulumi.Input[str] | None = None
        match auth:
            case ApiKeyAuth():
                self.api_keys = self._keys(plan, auth, args.secrets.get("apiKeys"))
            case BasicAuth():
                users = auth.secret_name or _name_of(
                    self._secret("users", users_secret_args(plan, args.secrets["basicAuthUsers"]))
                )
            case OidcAuth():
                self._proxy(plan, auth, args.secrets)
            case _:
                pass
        spec = middleware_spec(plan, auth, users)
        if spec is not None:
            self.middleware = CustomResource(
                f"{name}-middleware",
                api_version=API_VERSION,
                kind=KIND,
                metadata=authentication_metadata(plan),
                spec=spec,
                opts=self._child(),
            )
        self.register_outputs({"kind": auth.kind})

    def _keys(self, plan: Plan, auth: ApiKeyAuth, given: pulumi.Input[str] | None) -> ApiKeys:
        keys = server_keys_args(plan, given or secrets.token_hex(32))
        server = self._secret("keys", keys, generated=given is None)
        self._secret("client-key", client_key_args(plan, auth, server.data))
        return ApiKeys(secret=_name_of(server), entries=auth.entries)

    def _proxy(self, plan: Plan, auth: OidcAuth, given: Mapping[str, pulumi.Input[str]]) -> None:
        client = auth.secret_name or _name_of(
            self._secret("client", client_secret_args(plan, auth, given["oidcClientSecret"]))
        )
        cookie = cookie_secret_args(plan, secrets.token_hex(16))
        made = self._secret("cookie", cookie, generated=True)
        deployment = proxy_deployment_args(plan, auth, client=client, cookie=_name_of(made))
        Deployment(
            f"{self._name}-proxy",
            metadata=deployment.metadata,
            spec=deployment.spec,
            opts=self._child(),
        )
        service = proxy_service_args(plan)
        Service(
            f"{self._name}-service",
            metadata=service.metadata,
            spec=service.spec,
            opts=self._child(),
        )

    def _secret(self, role: str, args: SecretInitArgs, *, generated: bool = False) -> Secret:
        return Secret(
            f"{self._name}-{role}",
            metadata=args.metadata,
            data=args.data,
            string_data=args.string_data,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=self._after,
                # Each run makes another candidate; what the first one made stays.
                ignore_changes=["data"] if generated else None,
            ),
        )

    def _child(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=self._after)


def _name_of(secret: Secret) -> pulumi.Output[str]:
    return secret.metadata.apply(lambda metadata: str(metadata.name))
