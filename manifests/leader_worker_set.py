"""The server over several nodes: groups of a leader and its workers, one pod on each node."""

from __future__ import annotations

from typing import Any, cast

from pulumi_kubernetes.core.v1 import (
    ContainerArgs,
    LifecycleArgs,
    LifecycleHandlerArgs,
    PodSpecArgs,
    PodTemplateSpecArgs,
    ServiceInitArgs,
    ServicePortArgs,
    ServiceSpecArgs,
    SleepActionArgs,
)
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from manifests.api_keys import ApiKeys
from manifests.metadata import pod_metadata, server_metadata
from manifests.pod import Token, pod_spec
from manifests.server import service_annotations
from planning.auth import ApiKeyAuth
from planning.names import PORT, selector
from planning.plan import Plan

API_VERSION = "leaderworkerset.x-k8s.io/v1"
KIND = "LeaderWorkerSet"

_LEADER = {"leaderworkerset.sigs.k8s.io/worker-index": "0"}

_KILL_SECONDS = 5
"""What a worker keeps of its grace period for its own end."""


def leader_service_args(plan: Plan) -> ServiceInitArgs:
    """Build the Service in front of the leaders, which alone serve HTTP."""
    return ServiceInitArgs(
        # As for the Service of single pods: what is behind it is awaited anyway.
        metadata=server_metadata(plan, plan.names.server, service_annotations(plan)),
        spec=ServiceSpecArgs(
            selector=selector(plan.names, "server") | _LEADER,
            ports=[ServicePortArgs(name="http", port=PORT, target_port="http")],
        ),
    )


def leader_worker_set_metadata(plan: Plan) -> ObjectMetaArgs:
    """Build the metadata of the set, whose first groups Pulumi's provider waits for.

    The condition is there, true or not, from the first time that all groups are ready. Whether it
    is true may tell of the groups before a change: the status names no generation (v0.7.0). The
    program itself waits for a change, and says what is wrong, which the provider would not.
    """
    available = 'jsonpath={.status.conditions[?(@.type=="Available")].type}'
    if isinstance(plan.auth, ApiKeyAuth):
        # The ingress, which may stop to ask for passwords, follows what the provider waits for.
        available = "condition=Available"
    return server_metadata(plan, plan.names.groups, {"pulumi.com/waitFor": available})


def leader_worker_set_spec(
    plan: Plan, *, token: Token | None, api_keys: ApiKeys | None = None
) -> dict[str, Any]:
    """Build the spec of the set, whose pods are those of a single node but for rank and probes.

    Args:
        plan: of a model over several nodes.
        token: name and key of the Secret that holds the Hugging Face token, if there is one.
        api_keys: where they are, if there are any; the leaders alone read them.
    """
    return {
        "replicas": plan.server.replicas,
        # The leader is ready only once all workers have joined, so they may not wait for it.
        "startupPolicy": "LeaderCreated",
        "rolloutStrategy": {
            "type": "RollingUpdate",
            "rollingUpdateConfiguration": {
                "maxSurge": plan.rollout.max_surge,
                "maxUnavailable": plan.rollout.max_unavailable,
            },
        },
        "leaderWorkerTemplate": {
            "size": plan.placement.nodes,
            # vLLM's ranks cannot rejoin: where one is gone, all start again.
            "restartPolicy": "RecreateGroupOnPodRestart",
            "leaderTemplate": _template(plan, pod_spec(plan, token, api_keys=api_keys)),
            "workerTemplate": _template(plan, _worker(plan, pod_spec(plan, token))),
        },
    }


def _template(plan: Plan, spec: PodSpecArgs) -> PodTemplateSpecArgs:
    return PodTemplateSpecArgs(metadata=pod_metadata(plan), spec=spec)


def _worker(plan: Plan, spec: PodSpecArgs) -> PodSpecArgs:
    containers = cast("list[ContainerArgs]", spec.containers)
    for container in containers:
        container.args = list(plan.server.worker_args)
        container.ports = None
        # It answers no HTTP; its leader fails with it, and then the group is made anew.
        container.startup_probe = container.liveness_probe = container.readiness_probe = None
        container.lifecycle = _outlast(plan)
    return spec


def _outlast(plan: Plan) -> LifecycleArgs:
    """Keep the worker while its leader may drain: both are told to stop at the same time."""
    seconds = plan.drain.grace_seconds - _KILL_SECONDS
    return LifecycleArgs(pre_stop=LifecycleHandlerArgs(sleep=SleepActionArgs(seconds=seconds)))
