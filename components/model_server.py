"""The vLLM server: Deployment, Service, account, disruption budget and the token's Secret."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.core.v1 import Secret, Service, ServiceAccount
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget

from components.leader_worker_server import LeaderWorkerServer, LeaderWorkerServerArgs
from components.model_download import ModelDownload, ModelDownloadArgs
from manifests.api_keys import ApiKeys
from manifests.external_secret import API_VERSION, KIND, external_secret_spec
from manifests.leader_worker_set import leader_service_args
from manifests.metadata import server_labels, server_metadata
from manifests.pod import Token
from manifests.server import deployment_args, disruption_budget_args, service_args
from planning.download import plan_download
from planning.plan import Plan
from planning.token import TOKEN


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelServerArgs:
    """The plan, the token of a gated model, where the API keys are, and what must exist before."""

    plan: Plan
    hugging_face_token: pulumi.Input[str] | None
    api_keys: ApiKeys | None = None
    after: tuple[pulumi.Resource, ...] = ()


class ModelServer(pulumi.ComponentResource):
    """vLLM on the preset's pool, answering on a Service inside the cluster."""

    workload: Deployment | CustomResource
    """The server's Deployment, which an autoscaler targets; LeaderWorkerSet over several nodes."""

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
            metadata=server_metadata(plan, plan.names.server),
            automount_service_account_token=False,
            opts=child,
        )
        token = self._token_secret(name, args)
        grouped = plan.placement.nodes > 1
        service = leader_service_args(plan) if grouped else service_args(plan)
        self.service = Service(
            f"{name}-service", metadata=service.metadata, spec=service.spec, opts=child
        )
        ready = (*after, account)
        ready += self._download(name, plan, token, ready)
        self.workload = self._workload(name, args, token, ready)
        budget = disruption_budget_args(plan)
        if budget is not None:
            PodDisruptionBudget(
                f"{name}-disruption-budget", metadata=budget.metadata, spec=budget.spec, opts=child
            )
        self.register_outputs({"image": plan.server.image})

    def _workload(
        self,
        name: str,
        args: ModelServerArgs,
        token: Token | None,
        after: tuple[pulumi.Resource, ...],
    ) -> Deployment | CustomResource:
        plan = args.plan
        if plan.placement.nodes > 1:
            group = LeaderWorkerServerArgs(
                plan=plan, token=token, api_keys=args.api_keys, after=after
            )
            behind = pulumi.ResourceOptions(parent=self, depends_on=list(args.after))
            return LeaderWorkerServer(f"{name}-group", group, behind).groups
        deployment = deployment_args(plan, token=token, api_keys=args.api_keys)
        return Deployment(
            f"{name}-deployment",
            metadata=deployment.metadata,
            spec=deployment.spec,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=list(after),
                # Whoever scales owns the count; `replicas` is for the creation.
                ignore_changes=None if plan.server.holds_replicas else ["spec.replicas"],
                # In another namespace it is another Deployment, for which a GPU has to be free.
                delete_before_replace=True if plan.rollout.max_surge == 0 else None,
                custom_timeouts=pulumi.CustomTimeouts(
                    create=f"{plan.start.seconds}s", update=f"{plan.rollout.update_seconds}s"
                ),
            ),
        )

    def _download(
        self, name: str, plan: Plan, token: Token | None, after: tuple[pulumi.Resource, ...]
    ) -> tuple[pulumi.Resource, ...]:
        download = plan_download(plan)
        if download is None:
            return ()
        args = ModelDownloadArgs(plan=plan, download=download, token=token, after=after)
        child = pulumi.ResourceOptions(parent=self)
        return (ModelDownload(f"{name}-download", args, child).job,)

    def _token_secret(self, name: str, args: ModelServerArgs) -> Token | None:
        plan, planned = args.plan, args.plan.token
        child = pulumi.ResourceOptions(parent=self, depends_on=list(args.after))
        if planned is not None and planned.external is not None:
            CustomResource(
                f"{name}-external-token",
                api_version=API_VERSION,
                kind=KIND,
                metadata=server_metadata(plan, planned.name),
                spec=external_secret_spec(planned, planned.external),
                opts=child,
            )
        if args.hugging_face_token is None:
            return (planned.name, planned.key) if planned else None
        secret = Secret(
            f"{name}-token",
            # No name: a changed token gives a new Secret, and with it new pods that read it.
            metadata=ObjectMetaArgs(namespace=plan.names.namespace, labels=server_labels(plan)),
            string_data={TOKEN: args.hugging_face_token},
            opts=child,
        )
        return secret.metadata.apply(lambda metadata: str(metadata.name)), TOKEN
