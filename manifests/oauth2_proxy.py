"""oauth2-proxy beside the server: it checks the bearer tokens of an OpenID Connect issuer."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pulumi
from pulumi_kubernetes.apps.v1 import DeploymentInitArgs, DeploymentSpecArgs
from pulumi_kubernetes.core.v1 import (
    ContainerArgs,
    ContainerPortArgs,
    EnvVarArgs,
    EnvVarSourceArgs,
    HTTPGetActionArgs,
    PodSecurityContextArgs,
    PodSpecArgs,
    PodTemplateSpecArgs,
    ProbeArgs,
    ResourceRequirementsArgs,
    SeccompProfileArgs,
    SecretInitArgs,
    SecretKeySelectorArgs,
    ServiceInitArgs,
    ServicePortArgs,
    ServiceSpecArgs,
)
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs

from manifests.auth import authentication_metadata
from manifests.pod import image_pull_secret_args
from manifests.security import container_security_args
from planning.auth import PROXY_PORT, OidcAuth
from planning.names import image_version, labels, selector
from planning.plan import Plan

COOKIE_SECRET = "cookie-secret"  # noqa: S105 - the name of an entry

_USER = 65532
"""The uid `nonroot` of the image's distroless base."""

REPLICAS = 2
"""Every request asks it, so that one pod may go."""


def client_secret_args(plan: Plan, auth: OidcAuth, secret: pulumi.Input[str]) -> SecretInitArgs:
    """Build the Secret of the client at the issuer, nameless: another secret is a roll."""
    key = auth.key
    return SecretInitArgs(
        metadata=authentication_metadata(plan, named=False),
        string_data=pulumi.Output.secret(secret).apply(lambda text: {key: text}),
    )


def cookie_secret_args(plan: Plan, secret: pulumi.Input[str]) -> SecretInitArgs:
    """Build the Secret that oauth2-proxy does not start without, though no caller has a cookie.

    Args:
        plan: the plan.
        secret: 32 characters, which oauth2-proxy takes for a key of AES.
    """
    return SecretInitArgs(
        metadata=authentication_metadata(plan, named=False),
        data=pulumi.Output.secret(secret).apply(
            lambda text: {COOKIE_SECRET: base64.b64encode(text.encode()).decode()}
        ),
    )


def proxy_service_args(plan: Plan) -> ServiceInitArgs:
    """Build the Service that the Middleware asks."""
    metadata = authentication_metadata(plan)
    # As for the server's Service: what is behind it is awaited anyway.
    metadata.annotations = {"pulumi.com/skipAwait": "true"}
    return ServiceInitArgs(
        metadata=metadata,
        spec=ServiceSpecArgs(
            selector=selector(plan.names, "authentication"),
            ports=[ServicePortArgs(name="http", port=PROXY_PORT, target_port="http")],
        ),
    )


def proxy_deployment_args(
    plan: Plan, auth: OidcAuth, *, client: pulumi.Input[str], cookie: pulumi.Input[str]
) -> DeploymentInitArgs:
    """Run oauth2-proxy, which answers 202 or 401 for a token and serves nothing itself.

    Args:
        plan: the plan.
        auth: whose tokens are accepted.
        client: name of the Secret of the client at the issuer.
        cookie: name of the Secret of the cookies.
    """
    version = image_version(auth.image)
    pod_labels = labels(plan.names, "authentication", version=version, extra=plan.extra_labels)
    return DeploymentInitArgs(
        metadata=authentication_metadata(plan),
        spec=DeploymentSpecArgs(
            replicas=REPLICAS,
            selector=LabelSelectorArgs(match_labels=selector(plan.names, "authentication")),
            template=PodTemplateSpecArgs(
                metadata=ObjectMetaArgs(labels=pod_labels),
                spec=PodSpecArgs(
                    automount_service_account_token=False,
                    image_pull_secrets=image_pull_secret_args(plan),
                    enable_service_links=False,
                    priority_class_name=plan.placement.priority_class,
                    security_context=PodSecurityContextArgs(
                        run_as_non_root=True,
                        run_as_user=_USER,
                        run_as_group=_USER,
                        seccomp_profile=SeccompProfileArgs(type="RuntimeDefault"),
                    ),
                    containers=[_container(auth, client, cookie)],
                ),
            ),
        ),
    )


def _container(
    auth: OidcAuth, client: pulumi.Input[str], cookie: pulumi.Input[str]
) -> ContainerArgs:
    return ContainerArgs(
        name="oauth2-proxy",
        image=auth.image,
        args=list(proxy_arguments(auth)),
        env=[
            _variable("OAUTH2_PROXY_CLIENT_SECRET", client, auth.key),
            _variable("OAUTH2_PROXY_COOKIE_SECRET", cookie, COOKIE_SECRET),
        ],
        ports=[ContainerPortArgs(name="http", container_port=PROXY_PORT)],
        resources=ResourceRequirementsArgs(
            requests={"cpu": "50m", "memory": "64Mi"}, limits={"memory": "128Mi"}
        ),
        security_context=container_security_args(),
        liveness_probe=ProbeArgs(http_get=HTTPGetActionArgs(path="/ping", port="http")),
        readiness_probe=ProbeArgs(http_get=HTTPGetActionArgs(path="/ready", port="http")),
    )


def proxy_arguments(auth: OidcAuth) -> Iterator[str]:
    """Write the command line: bearer tokens only, checked against the issuer's keys.

    Its flags are those of v7.15.2 (pkg/apis/options). At /oauth2/auth it answers 202,
    or 401 to a token that is missing, invalid, or of a caller outside the groups (AuthOnly).
    """
    yield "--provider=oidc"
    yield f"--oidc-issuer-url={auth.issuer}"
    yield f"--client-id={auth.client_id}"
    yield "--skip-jwt-bearer-tokens=true"
    yield f"--http-address=0.0.0.0:{PROXY_PORT}"
    yield "--upstream=static://202"
    yield "--silence-ping-logging=true"
    for domain in auth.email_domains or ("*",):
        yield f"--email-domain={domain}"
    for audience in auth.audiences:
        yield f"--oidc-extra-audience={_whole(audience)}"
    for group in auth.groups:
        yield f"--allowed-group={_whole(group)}"


def _whole(value: str) -> str:
    """Quote what pflag's lists would take for several, such as an LDAP group, as CSV (RFC 4180)."""
    if not any(character in value for character in ',"'):
        return value
    return '"' + value.replace('"', '""') + '"'


def _variable(name: str, secret: pulumi.Input[str], key: str) -> EnvVarArgs:
    source = EnvVarSourceArgs(secret_key_ref=SecretKeySelectorArgs(name=secret, key=key))
    return EnvVarArgs(name=name, value_from=source)
