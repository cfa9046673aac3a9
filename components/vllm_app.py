"""The app: cache, server, ingress and autoscaler in one namespace."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core.v1 import Namespace
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components.app_ingress import AppIngress, AppIngressArgs
from components.model_cache import ModelCache, ModelCacheArgs
from components.model_server import ModelServer, ModelServerArgs
from components.rps_autoscaler import RpsAutoscaler, RpsAutoscalerArgs
from planning.names import ENFORCE, image_version, labels, owner
from planning.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmAppArgs:
    """The plan, and the secrets of the stack."""

    plan: Plan
    hugging_face_token: pulumi.Input[str] | None = None


class VllmApp(pulumi.ComponentResource):
    """A model behind an OpenAI-compatible address."""

    server: ModelServer
    """The vLLM server."""

    def __init__(
        self, name: str, args: VllmAppArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        plan = args.plan
        shown = {"model": plan.model.id, "preset": plan.placement.preset}
        super().__init__("llm:index:VllmApp", name, shown, opts)
        after = self._foundations(name, plan)
        child = pulumi.ResourceOptions(parent=self)
        self.server = ModelServer(
            f"{name}-server",
            ModelServerArgs(plan=plan, hugging_face_token=args.hugging_face_token, after=after),
            child,
        )
        # The ingress turns to the interceptor only once that knows where to go.
        routed = (*after, *self._autoscaler(name, plan, after))
        if plan.ingress is not None:
            ingress = AppIngressArgs(plan=plan, ingress=plan.ingress, after=routed)
            AppIngress(f"{name}-ingress", ingress, child)
        self.register_outputs(shown)

    def _autoscaler(
        self, name: str, plan: Plan, after: tuple[pulumi.Resource, ...]
    ) -> tuple[pulumi.Resource, ...]:
        if plan.scaling is None:
            return ()
        args = RpsAutoscalerArgs(
            plan=plan, scaling=plan.scaling, workload=self.server.workload, after=after
        )
        child = pulumi.ResourceOptions(parent=self)
        return (RpsAutoscaler(f"{name}-autoscaler", args, child).route,)

    def _foundations(self, name: str, plan: Plan) -> tuple[pulumi.Resource, ...]:
        foundations: list[pulumi.Resource] = []
        if plan.create_namespace:
            # A namespace takes its claims along, so it stays where they stay.
            keep = pulumi.ResourceOptions(parent=self, retain_on_delete=plan.cache.keeps_namespace)
            metadata = namespace_metadata(plan)
            foundations.append(Namespace(f"{name}-namespace", metadata=metadata, opts=keep))
        if plan.cache.storage == "pvc" or plan.cache.kept:
            cache = ModelCacheArgs(plan=plan, after=tuple(foundations))
            child = pulumi.ResourceOptions(parent=self)
            foundations.append(ModelCache(f"{name}-cache", cache, child).claim)
        return tuple(foundations)


def namespace_metadata(plan: Plan) -> ObjectMetaArgs:
    """Build the namespace's metadata, with the Pod Security level that its pods need."""
    version = image_version(plan.server.image)
    return ObjectMetaArgs(
        name=plan.names.namespace,
        labels={
            **labels(plan.names, "namespace", version=version, extra=plan.extra_labels),
            ENFORCE: plan.cache.pod_security.level,
        },
        annotations=owner(plan.names),
    )
