"""The vLLM server: Deployment, Service, ServiceAccount and the Secret of the Hugging Face token."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.apps.v1 import (
    Deployment,
    DeploymentInitArgs,
    DeploymentSpecArgs,
    DeploymentStrategyArgs,
    RollingUpdateDeploymentArgs,
)
from pulumi_kubernetes.core.v1 import (
    CapabilitiesArgs,
    ContainerArgs,
    ContainerPortArgs,
    EmptyDirVolumeSourceArgs,
    EnvVarArgs,
    EnvVarSourceArgs,
    HTTPGetActionArgs,
    PersistentVolumeClaimVolumeSourceArgs,
    PodSecurityContextArgs,
    PodSpecArgs,
    PodTemplateSpecArgs,
    ProbeArgs,
    ResourceRequirementsArgs,
    SeccompProfileArgs,
    Secret,
    SecretKeySelectorArgs,
    SecurityContextArgs,
    Service,
    ServiceAccount,
    ServiceInitArgs,
    ServicePortArgs,
    ServiceSpecArgs,
    TolerationArgs,
    VolumeArgs,
    VolumeMountArgs,
)
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs

from planning.names import PORT, image_version, labels, selector
from planning.plan import Plan

_USER = 2000
"""The uid that vLLM's images prepare for a server that is not root; its group is 0."""

_HOME = "/home/vllm"
_PROBE_PERIOD_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelServerArgs:
    """The plan, the token of a gated model, and what must exist before the server."""

    plan: Plan
    hugging_face_token: pulumi.Input[str] | None
    after: tuple[pulumi.Resource, ...] = ()


class ModelServer(pulumi.ComponentResource):
    """vLLM on the preset's pool, answering on a Service inside the cluster."""

    deployment: Deployment
    """The server's Deployment; what an autoscaler targets."""

    service: Service
    """The Service in front of it."""

    def __init__(
        self, name: str, args: ModelServerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        plan = args.plan
        shown = {
            "model": plan.model.id,
            "preset": plan.placement.preset,
            "image": plan.server.image,
        }
        super().__init__("llm:index:ModelServer", name, shown, opts)
        after = list(args.after)
        child = pulumi.ResourceOptions(parent=self, depends_on=after)
        account = ServiceAccount(
            f"{name}-account",
            metadata=_metadata(plan, plan.names.server),
            automount_service_account_token=False,
            opts=child,
        )
        token = self._token_secret(name, args)
        service = service_args(plan)
        self.service = Service(
            f"{name}-service", metadata=service.metadata, spec=service.spec, opts=child
        )
        deployment = deployment_args(plan, token=token)
        limit = f"{plan.start.seconds}s"
        self.deployment = Deployment(
            f"{name}-deployment",
            metadata=deployment.metadata,
            spec=deployment.spec,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*after, account],
                # The autoscaler owns the count once it exists; `replicas` is for the creation.
                ignore_changes=["spec.replicas"] if plan.server.autoscaled else None,
                custom_timeouts=pulumi.CustomTimeouts(create=limit, update=limit),
            ),
        )
        self.register_outputs({"image": plan.server.image})

    def _token_secret(
        self, name: str, args: ModelServerArgs
    ) -> tuple[pulumi.Input[str], str] | None:
        if args.hugging_face_token is None:
            return args.plan.token_secret
        secret = Secret(
            f"{name}-token",
            # No name: a changed token gives a new Secret, and with it a rollout.
            metadata=ObjectMetaArgs(namespace=args.plan.names.namespace, labels=_labels(args.plan)),
            string_data={"token": args.hugging_face_token},
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.after)),
        )
        return secret.metadata.apply(lambda metadata: str(metadata.name)), "token"


def _labels(plan: Plan) -> dict[str, str]:
    version = image_version(plan.server.image)
    return labels(plan.names, "server", version=version, extra=plan.extra_labels)


def _metadata(plan: Plan, name: str, annotations: dict[str, str] | None = None) -> ObjectMetaArgs:
    return ObjectMetaArgs(
        name=name, namespace=plan.names.namespace, labels=_labels(plan), annotations=annotations
    )


def service_args(plan: Plan) -> ServiceInitArgs:
    """Build the Service in front of the server's pods."""
    return ServiceInitArgs(
        # The provider waits ten seconds after every change of endpoints (await/service.go); the
        # Deployment is awaited anyway, and a test compares the selector with the pods' labels.
        metadata=_metadata(plan, plan.names.server, {"pulumi.com/skipAwait": "true"}),
        spec=ServiceSpecArgs(
            selector=selector(plan.names, "server"),
            ports=[ServicePortArgs(name="http", port=PORT, target_port="http")],
        ),
    )


def deployment_args(
    plan: Plan, *, token: tuple[pulumi.Input[str], str] | None
) -> DeploymentInitArgs:
    """Build the Deployment.

    Args:
        plan: the plan.
        token: name and key of the Secret that holds the Hugging Face token, if there is one.
    """
    rolling = plan.server.strategy == "RollingUpdate"
    return DeploymentInitArgs(
        metadata=_metadata(plan, plan.names.server),
        spec=DeploymentSpecArgs(
            replicas=plan.server.replicas,
            selector=LabelSelectorArgs(match_labels=selector(plan.names, "server")),
            strategy=DeploymentStrategyArgs(
                type=plan.server.strategy,
                # A surge would wait forever for a GPU that only the old pod could free.
                rolling_update=RollingUpdateDeploymentArgs(max_surge=0, max_unavailable=1)
                if rolling
                else None,
            ),
            progress_deadline_seconds=plan.start.seconds,
            template=PodTemplateSpecArgs(
                metadata=ObjectMetaArgs(labels=_labels(plan)), spec=_pod_spec(plan, token)
            ),
        ),
    )


def _pod_spec(plan: Plan, token: tuple[pulumi.Input[str], str] | None) -> PodSpecArgs:
    placement = plan.placement
    return PodSpecArgs(
        service_account_name=plan.names.server,
        automount_service_account_token=False,
        # A Service called `vllm` would otherwise set VLLM_PORT to an address.
        enable_service_links=False,
        node_selector=dict(placement.node_selector) or None,
        priority_class_name=placement.priority_class,
        tolerations=[
            TolerationArgs(
                key=toleration.key,
                operator=toleration.operator,
                value=toleration.value,
                effect=toleration.effect,
                toleration_seconds=toleration.toleration_seconds,
            )
            for toleration in placement.tolerations
        ],
        security_context=PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=_USER,
            run_as_group=0,
            fs_group=_USER,
            fs_group_change_policy="OnRootMismatch",
            seccomp_profile=SeccompProfileArgs(type="RuntimeDefault"),
        ),
        containers=[_container(plan, token)],
        volumes=_volumes(plan),
    )


def _container(plan: Plan, token: tuple[pulumi.Input[str], str] | None) -> ContainerArgs:
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
        security_context=SecurityContextArgs(
            allow_privilege_escalation=False,
            capabilities=CapabilitiesArgs(drop=["ALL"]),
            read_only_root_filesystem=True,
        ),
        startup_probe=_probe(
            plan.start.seconds // _PROBE_PERIOD_SECONDS + 1, _PROBE_PERIOD_SECONDS
        ),
        liveness_probe=_probe(5, 10),
        readiness_probe=_probe(3, 5),
        volume_mounts=[
            VolumeMountArgs(name="cache", mount_path=plan.cache.path),
            VolumeMountArgs(name="home", mount_path=_HOME),
            VolumeMountArgs(name="tmp", mount_path="/tmp"),  # noqa: S108 - the container's own
            VolumeMountArgs(name="shm", mount_path="/dev/shm"),  # noqa: S108 - likewise
        ],
    )


def _probe(failures: int, period_seconds: int) -> ProbeArgs:
    return ProbeArgs(
        http_get=HTTPGetActionArgs(path="/health", port="http"),
        period_seconds=period_seconds,
        timeout_seconds=5,
        failure_threshold=failures,
    )


def _environment(plan: Plan, token: tuple[pulumi.Input[str], str] | None) -> list[EnvVarArgs]:
    values = [EnvVarArgs(name=name, value=value) for name, value in plan.server.env]
    if token is not None:
        name, key = token
        source = EnvVarSourceArgs(secret_key_ref=SecretKeySelectorArgs(name=name, key=key))
        values.append(EnvVarArgs(name="HF_TOKEN", value_from=source))
    return values


def _volumes(plan: Plan) -> list[VolumeArgs]:
    cache = plan.cache
    return [
        VolumeArgs(
            name="cache",
            persistent_volume_claim=PersistentVolumeClaimVolumeSourceArgs(claim_name=cache.claim)
            if cache.claim
            else None,
            empty_dir=None if cache.claim else EmptyDirVolumeSourceArgs(size_limit=cache.size),
        ),
        VolumeArgs(name="home", empty_dir=EmptyDirVolumeSourceArgs(size_limit="10Gi")),
        VolumeArgs(name="tmp", empty_dir=EmptyDirVolumeSourceArgs(size_limit="10Gi")),
        VolumeArgs(
            name="shm",
            empty_dir=EmptyDirVolumeSourceArgs(
                medium="Memory", size_limit=plan.placement.shared_memory
            ),
        ),
    ]
