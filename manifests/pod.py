"""The server's pod: what it asks of the scheduler, its container and its security."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pulumi
from pulumi_kubernetes.core.v1 import (
    ContainerArgs,
    ContainerPortArgs,
    EnvVarArgs,
    EnvVarSourceArgs,
    HTTPGetActionArgs,
    LifecycleArgs,
    LifecycleHandlerArgs,
    LocalObjectReferenceArgs,
    PodSecurityContextArgs,
    PodSpecArgs,
    ProbeArgs,
    ResourceRequirementsArgs,
    SeccompProfileArgs,
    SecretKeySelectorArgs,
    SleepActionArgs,
    TolerationArgs,
    TopologySpreadConstraintArgs,
)
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs

from manifests.affinity import affinity_args
from manifests.api_keys import ApiKeys, api_key_mounts, api_key_volumes, writing_container
from manifests.security import container_security_args
from manifests.volumes import server_mounts, server_volumes
from planning.names import PORT, selector
from planning.plan import Plan, SecretVariable, Toleration

Token = tuple[pulumi.Input[str], str]
"""Name and key of the Secret that holds the Hugging Face token."""

_USER = 2000
"""The uid that vLLM's images prepare for a server that is not root; its group is 0."""

_PROBE_PERIOD_SECONDS = 10


def pod_spec(plan: Plan, token: Token | None, *, api_keys: ApiKeys | None = None) -> PodSpecArgs:
    """Place and confine the server, with the grace that its drain needs.

    Args:
        plan: the plan.
        token: name and key of the Secret that holds the Hugging Face token, if there is one; a pod
            that asks the Hub nothing does not get it.
        api_keys: where they are, if there are any and this pod serves.
    """
    placement = plan.placement
    return PodSpecArgs(
        service_account_name=plan.names.server,
        automount_service_account_token=False,
        image_pull_secrets=image_pull_secret_args(plan),
        # A Service called `vllm` would otherwise set VLLM_PORT to an address.
        enable_service_links=False,
        node_selector=dict(placement.node_selector) or None,
        affinity=affinity_args(placement.node_affinity),
        priority_class_name=placement.priority_class,
        runtime_class_name=placement.runtime_class,
        tolerations=toleration_args(placement.tolerations),
        topology_spread_constraints=_spread(plan),
        termination_grace_period_seconds=plan.drain.grace_seconds,
        security_context=pod_security_args(placement.device_groups),
        init_containers=[writing_container(plan, api_keys)] if api_keys else None,
        containers=[_container(plan, token, api_keys)],
        volumes=[*server_volumes(plan), *(api_key_volumes(api_keys) if api_keys else ())],
    )


def _container(plan: Plan, token: Token | None, api_keys: ApiKeys | None) -> ContainerArgs:
    placement = plan.placement
    gpus = {placement.gpu_resource: str(placement.gpus)}
    requests = {"cpu": placement.cpu, "memory": placement.memory, **gpus}
    return ContainerArgs(
        name="vllm",
        image=plan.server.image,
        args=list(plan.server.args),
        env=_environment(plan, token),
        ports=[ContainerPortArgs(name="http", container_port=PORT)],
        resources=ResourceRequirementsArgs(
            requests=requests, limits={"memory": placement.memory, **gpus}
        ),
        security_context=container_security_args(),
        startup_probe=_probe(
            plan.start.on_node_seconds // _PROBE_PERIOD_SECONDS + 1, _PROBE_PERIOD_SECONDS
        ),
        # Peers kill after 15 to 270 s of silence; a server under full load answers late.
        liveness_probe=_probe(5, 10),
        readiness_probe=_probe(3, 5, timeout_seconds=2),
        # Endpoints and proxies learn of a pod's end while it still answers, so nobody is refused.
        lifecycle=LifecycleArgs(
            pre_stop=LifecycleHandlerArgs(
                sleep=SleepActionArgs(seconds=plan.drain.pre_stop_seconds)
            )
        ),
        volume_mounts=[*server_mounts(plan), *(api_key_mounts() if api_keys else ())],
    )


def _spread(plan: Plan) -> list[TopologySpreadConstraintArgs] | None:
    # A Deployment's pods have it whatever their number: a change of that must not roll them.
    if plan.placement.nodes > 1 and plan.server.max_replicas <= 1:
        return None
    return [
        TopologySpreadConstraintArgs(
            max_skew=1,
            topology_key="kubernetes.io/hostname",
            # GPUs are scarce: two pods of one node serve better than one pod that waits.
            when_unsatisfiable="ScheduleAnyway",
            label_selector=LabelSelectorArgs(match_labels=selector(plan.names, "server")),
            # The pods of a revision that goes do not count.
            match_label_keys=["pod-template-hash"],
        )
    ]


def _probe(failures: int, period_seconds: int, timeout_seconds: int = 5) -> ProbeArgs:
    return ProbeArgs(
        http_get=HTTPGetActionArgs(path="/health", port="http"),
        period_seconds=period_seconds,
        timeout_seconds=timeout_seconds,
        failure_threshold=failures,
    )


def _environment(plan: Plan, token: Token | None) -> list[EnvVarArgs]:
    values = [EnvVarArgs(name=name, value=value) for name, value in plan.server.env]
    own_token = token_variable(token if plan.server.asks_hub else None)
    return [*values, *secret_variables(plan.server.secret_env), *own_token]


def secret_variables(sources: Iterable[SecretVariable]) -> list[EnvVarArgs]:
    """Read variables from the entries of Secrets."""
    return [_from_secret(source.variable, source.secret_name, source.entry) for source in sources]


def token_variable(token: Token | None) -> list[EnvVarArgs]:
    """Read the Hugging Face token from its Secret, if there is one."""
    if token is None:
        return []
    name, key = token
    return [_from_secret("HF_TOKEN", name, key)]


def _from_secret(variable: str, name: pulumi.Input[str], key: str) -> EnvVarArgs:
    source = EnvVarSourceArgs(secret_key_ref=SecretKeySelectorArgs(name=name, key=key))
    return EnvVarArgs(name=variable, value_from=source)


def image_pull_secret_args(plan: Plan) -> list[LocalObjectReferenceArgs] | None:
    """Name the Secrets for registries that ask who pulls, as every pod of the app does."""
    return [LocalObjectReferenceArgs(name=name) for name in plan.server.pull_secrets] or None


def toleration_args(tolerations: Iterable[Toleration]) -> list[TolerationArgs]:
    """Build the tolerations of a pod."""
    return [
        TolerationArgs(
            key=toleration.key,
            operator=toleration.operator,
            value=toleration.value,
            effect=toleration.effect,
            toleration_seconds=toleration.toleration_seconds,
        )
        for toleration in tolerations
    ]


def pod_security_args(groups: Sequence[int] = ()) -> PodSecurityContextArgs:
    """Build a pod's part of the restricted Pod Security Standard; `groups` own GPU devices."""
    return PodSecurityContextArgs(
        run_as_non_root=True,
        run_as_user=_USER,
        run_as_group=0,
        fs_group=_USER,
        supplemental_groups=list(groups) or None,
        fs_group_change_policy="OnRootMismatch",
        seccomp_profile=SeccompProfileArgs(type="RuntimeDefault"),
    )
