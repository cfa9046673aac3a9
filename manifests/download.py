"""The download Job, and the ConfigMap that holds its program."""

from __future__ import annotations

from pathlib import Path

import pulumi
from pulumi_kubernetes.batch.v1 import (
    JobInitArgs,
    JobSpecArgs,
    PodFailurePolicyArgs,
    PodFailurePolicyOnExitCodesRequirementArgs,
    PodFailurePolicyOnPodConditionsPatternArgs,
    PodFailurePolicyRuleArgs,
)
from pulumi_kubernetes.core.v1 import (
    ConfigMapInitArgs,
    ConfigMapVolumeSourceArgs,
    ContainerArgs,
    EmptyDirVolumeSourceArgs,
    EnvVarArgs,
    KeyToPathArgs,
    PodAffinityTermArgs,
    PodSpecArgs,
    PodTemplateSpecArgs,
    ResourceRequirementsArgs,
    VolumeArgs,
    VolumeMountArgs,
)
from pulumi_kubernetes.meta.v1 import (
    LabelSelectorArgs,
    LabelSelectorRequirementArgs,
    ObjectMetaArgs,
)

from manifests.affinity import affinity_args
from manifests.cache import cache_mounts, cache_volumes
from manifests.metadata import object_labels
from manifests.pod import (
    Token,
    image_pull_secret_args,
    pod_security_args,
    secret_variables,
    token_variable,
    toleration_args,
)
from manifests.security import container_security_args
from planning.download import KEPT_SECONDS, Download
from planning.names import COMPONENT, HOME, app_selector
from planning.plan import Plan
from planning.transfer import transfer_secrets

PROGRAM = "downloader"
_SOURCE = Path(__file__).resolve().parent.parent / PROGRAM
_MOUNT = "/program"
_CONTAINER = "download"

FINAL_EXIT_CODES = (3, 4, 5, 8)
"""Of the program, where another attempt ends alike: `downloader.hub`, no access, not found, volume
full, volume not writable."""


def program_args(plan: Plan) -> ConfigMapInitArgs:
    """Build the ConfigMap of the program, nameless: another text is another object."""
    return ConfigMapInitArgs(
        metadata=ObjectMetaArgs(namespace=plan.names.namespace, labels=_labels(plan)),
        data={file.name: file.read_text() for file in _files()},
        immutable=True,
    )


def job_args(
    plan: Plan, download: Download, *, token: Token | None, program: pulumi.Input[str]
) -> JobInitArgs:
    """Build the Job, nameless: its template is immutable, so a change of it is another Job.

    Args:
        plan: the plan.
        download: what the Job runs and where.
        token: name and key of the Secret that holds the Hugging Face token, if there is one.
        program: name of the ConfigMap with the program.
    """
    return JobInitArgs(
        metadata=ObjectMetaArgs(
            namespace=plan.names.namespace,
            labels=_labels(plan),
            annotations=_annotations(plan),
        ),
        spec=JobSpecArgs(
            # No ttlSecondsAfterFinished: Pulumi would miss the Job and run it again.
            backoff_limit=download.attempts,
            active_deadline_seconds=download.deadline_seconds + KEPT_SECONDS,
            pod_failure_policy=_failure_policy(),
            template=PodTemplateSpecArgs(
                metadata=ObjectMetaArgs(
                    labels=_labels(plan) | dict(plan.cache.pod_labels),
                    annotations=dict(plan.cache.pod_annotations) or None,
                ),
                spec=_pod_spec(plan, download, token, program),
            ),
        ),
    )


def _annotations(plan: Plan) -> dict[str, str] | None:
    # A Job that failed is made anew; the provider has to ask the cluster for that.
    return None if plan.cluster.render_to else {"pulumi.com/replaceUnready": "true"}


def _files() -> list[Path]:
    return sorted(_SOURCE.glob("*.py"))


def _labels(plan: Plan) -> dict[str, str]:
    return object_labels(plan, "download")


def _failure_policy() -> PodFailurePolicyArgs:
    disruption = PodFailurePolicyOnPodConditionsPatternArgs(type="DisruptionTarget", status="True")
    final = PodFailurePolicyOnExitCodesRequirementArgs(
        container_name=_CONTAINER, operator="In", values=list(FINAL_EXIT_CODES)
    )
    return PodFailurePolicyArgs(
        rules=[
            PodFailurePolicyRuleArgs(action="FailJob", on_exit_codes=final),
            PodFailurePolicyRuleArgs(action="Ignore", on_pod_conditions=[disruption]),
        ]
    )


def _pod_spec(
    plan: Plan, download: Download, token: Token | None, program: pulumi.Input[str]
) -> PodSpecArgs:
    items = [KeyToPathArgs(key=file.name, path=f"{PROGRAM}/{file.name}") for file in _files()]
    return PodSpecArgs(
        service_account_name=plan.names.server,
        automount_service_account_token=False,
        image_pull_secrets=image_pull_secret_args(plan),
        enable_service_links=False,
        restart_policy="Never",
        node_selector=dict(download.node_selector) or None,
        tolerations=toleration_args(download.tolerations) or None,
        affinity=affinity_args(
            download.node_affinity, _beside_server(plan) if download.beside_server else None
        ),
        priority_class_name=plan.placement.priority_class,
        security_context=pod_security_args(),
        containers=[_container(plan, download, token)],
        volumes=[
            *cache_volumes(plan.cache),
            VolumeArgs(name="home", empty_dir=EmptyDirVolumeSourceArgs(size_limit="1Gi")),
            VolumeArgs(
                name="program", config_map=ConfigMapVolumeSourceArgs(name=program, items=items)
            ),
        ],
    )


def _container(plan: Plan, download: Download, token: Token | None) -> ContainerArgs:
    requests = {"cpu": download.cpu, "memory": download.memory}
    return ContainerArgs(
        name=_CONTAINER,
        image=plan.server.image,
        command=["python3", "-m", PROGRAM],
        args=list(download.args),
        working_dir=_MOUNT,
        env=[
            *(EnvVarArgs(name=name, value=value) for name, value in download.env),
            *secret_variables(transfer_secrets(plan)),
            *token_variable(token),
        ],
        resources=ResourceRequirementsArgs(
            requests=requests, limits={"memory": download.memory_limit}
        ),
        security_context=container_security_args(),
        # The one sentence of a failure then stands in the pod's status.
        termination_message_policy="FallbackToLogsOnError",
        volume_mounts=[
            *cache_mounts(plan.cache),
            VolumeMountArgs(name="home", mount_path=HOME),
            VolumeMountArgs(name="program", mount_path=_MOUNT, read_only=True),
        ],
    )


def _beside_server(plan: Plan) -> PodAffinityTermArgs:
    """Put the pod on the server's node, which holds the volume.

    The pod matches its own term, so it is free to go anywhere while no server runs (Kubernetes,
    interpodaffinity plugin, satisfyPodAffinity).
    """
    either = LabelSelectorRequirementArgs(
        key=COMPONENT, operator="In", values=["download", "server"]
    )
    own = app_selector(plan.names)
    return PodAffinityTermArgs(
        label_selector=LabelSelectorArgs(match_labels=own, match_expressions=[either]),
        topology_key="kubernetes.io/hostname",
    )
