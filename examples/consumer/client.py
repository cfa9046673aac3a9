"""The client's pod: a Python image with `examples/chat.py`, under Pod Security `restricted`."""

from __future__ import annotations

import pulumi
from contract import Contract, ContractError
from pulumi_kubernetes import core, meta
from pulumi_kubernetes.apps.v1 import DeploymentSpecArgs

IMAGE = "docker.io/library/python:3.13.5-slim-bookworm"
LABELS = {"app.kubernetes.io/name": "chat-client", "app.kubernetes.io/instance": "chat"}

_IDLE = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit()); signal.pause()"
"""The first process of a container has no default action on SIGTERM."""


def environment(
    contract: Contract, namespace: str, own_secret: str | None
) -> list[core.v1.EnvVarArgs]:
    """Give the client its address, model and key; the key by reference, never by value.

    A pod reads Secrets of its own namespace only: beside the model it uses the producer's,
    elsewhere a copy that someone has to keep (the External Secrets Operator, for example).

    Raises:
        ContractError: the producer wants a credential that this client cannot give.
    """
    variables = [
        core.v1.EnvVarArgs(name="APP_HOST", value=contract.address),
        core.v1.EnvVarArgs(name="SERVED_MODEL_NAME", value=contract.served_model_name),
    ]
    if contract.auth_type == "none":
        return variables
    if contract.api_key_secret_name is None or contract.api_key_secret_key is None:
        raise ContractError(
            f"{contract.producer} asks its callers for {contract.auth_type}, and this client can "
            "only send an API key: set ingress.auth of the producer to apiKey"
        )
    beside = namespace == contract.namespace
    secret = contract.api_key_secret_name if beside else own_secret
    if secret is None:
        raise ContractError(
            f"pods of namespace {namespace} cannot read Secret {contract.api_key_secret_name} of "
            f"namespace {contract.namespace}: copy it and set apiKeySecretName to the copy's name, "
            "or leave namespace out"
        )
    key = core.v1.SecretKeySelectorArgs(name=secret, key=contract.api_key_secret_key)
    source = core.v1.EnvVarSourceArgs(secret_key_ref=key)
    return [*variables, core.v1.EnvVarArgs(name="OPENAI_API_KEY", value_from=source)]


def deployment_spec(
    variables: pulumi.Output[list[core.v1.EnvVarArgs]], program: core.v1.ConfigMap
) -> DeploymentSpecArgs:
    """Build a pod that waits for `kubectl exec`."""
    container = core.v1.ContainerArgs(
        name="chat",
        image=IMAGE,
        command=["python", "-c", _IDLE],
        env=variables,
        resources=core.v1.ResourceRequirementsArgs(
            requests={"cpu": "10m", "memory": "64Mi"}, limits={"memory": "128Mi"}
        ),
        security_context=core.v1.SecurityContextArgs(
            allow_privilege_escalation=False,
            capabilities=core.v1.CapabilitiesArgs(drop=["ALL"]),
            read_only_root_filesystem=True,
        ),
        volume_mounts=[core.v1.VolumeMountArgs(name="client", mount_path="/client")],
    )
    files = core.v1.ConfigMapVolumeSourceArgs(name=program.metadata.name)
    pod = core.v1.PodSpecArgs(
        automount_service_account_token=False,
        enable_service_links=False,
        security_context=core.v1.PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=65532,
            seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
        ),
        containers=[container],
        volumes=[core.v1.VolumeArgs(name="client", config_map=files)],
    )
    return DeploymentSpecArgs(
        replicas=1,
        selector=meta.v1.LabelSelectorArgs(match_labels=LABELS),
        template=core.v1.PodTemplateSpecArgs(
            metadata=meta.v1.ObjectMetaArgs(labels=LABELS), spec=pod
        ),
    )
