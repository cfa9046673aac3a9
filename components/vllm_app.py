"""The app: cache, server, ingress and autoscaler in one namespace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi_kubernetes.core.v1 import Namespace, Service
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components.app_authentication import AppAuthentication, AppAuthenticationArgs
from components.app_ingress import AppIngress, AppIngressArgs
from components.app_network_policy import AppNetworkPolicy, AppNetworkPolicyArgs
from components.model_cache import ModelCache, ModelCacheArgs
from components.model_server import ModelServer, ModelServerArgs
from components.rps_autoscaler import RpsAutoscaler, RpsAutoscalerArgs
from manifests.api_keys import ApiKeys
from manifests.interceptor import interceptor_service_args
from manifests.metadata import object_labels
from planning.auth import ApiKeyAuth, MiddlewareAuth, NoAuth
from planning.names import ENFORCE, owner
from planning.plan import Plan

_NAMESPACE = "namespace"


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmAppArgs:
    """The plan, and the secrets of the stack config by their key."""

    plan: Plan
    secrets: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])


class VllmApp(pulumi.ComponentResource):
    """A model behind an OpenAI-compatible address."""

    server: ModelServer
    """The vLLM server."""

    ingress_objects: list[pulumi.Resource]
    """What leads requests from outside to it; empty without an ingress."""

    def __init__(
        self, name: str, args: VllmAppArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        plan = args.plan
        shown = {"model": plan.model.id, "preset": plan.placement.preset}
        super().__init__("llm:index:VllmApp", name, shown, opts)
        after = self._foundations(name, plan)
        child = pulumi.ResourceOptions(parent=self)
        api_keys, asked_first = self._authentication(name, args, after)
        self.server = ModelServer(
            f"{name}-server",
            ModelServerArgs(
                plan=plan,
                hugging_face_token=args.secrets.get("huggingFaceToken"),
                api_keys=api_keys,
                after=(*after, *asked_first),
            ),
            child,
        )
        # The ingress turns to the interceptor only once that knows where to go, and asks nobody
        # any more only once every server does.
        routed = (*after, *asked_first, *self._autoscaler(name, plan, after))
        routed += (self.server.workload,) if isinstance(plan.auth, ApiKeyAuth) else ()
        if plan.scaling is not None:
            alias = interceptor_service_args(plan, plan.scaling)
            behind = pulumi.ResourceOptions(parent=self, depends_on=list(after))
            Service(f"{name}-interceptor", metadata=alias.metadata, spec=alias.spec, opts=behind)
        self.ingress_objects = []
        if plan.ingress is not None:
            ingress = AppIngressArgs(plan=plan, exposure=plan.ingress, after=routed)
            self.ingress_objects = AppIngress(f"{name}-ingress", ingress, child).objects
        self.register_outputs(shown)

    def _authentication(
        self, name: str, args: VllmAppArgs, after: tuple[pulumi.Resource, ...]
    ) -> tuple[ApiKeys | None, tuple[pulumi.Resource, ...]]:
        """Where the server's keys are, and what asks callers before it."""
        auth = args.plan.auth
        if isinstance(auth, ApiKeyAuth) and not auth.owned:
            return ApiKeys(secret=auth.secret_name, entries=auth.entries), ()
        if isinstance(auth, NoAuth | MiddlewareAuth):
            return None, ()
        asked = AppAuthenticationArgs(plan=args.plan, secrets=args.secrets, after=after)
        child = pulumi.ResourceOptions(parent=self)
        made = AppAuthentication(f"{name}-authentication", asked, child)
        return made.api_keys, (made.middleware,) if made.middleware else ()

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
            stays = plan.cache.keeps_namespace or plan.keep_namespace
            keep = pulumi.ResourceOptions(
                parent=self,
                retain_on_delete=stays,
                aliases=[pulumi.Alias(name=f"{name}-namespace")],
            )
            # Not named after the app: a rename would end with the deletion of what it renamed into.
            foundations.append(Namespace(_NAMESPACE, metadata=namespace_metadata(plan), opts=keep))
        policies = self._network_policies(name, plan, tuple(foundations))
        if plan.cache.storage == "pvc" or plan.cache.kept:
            cache = ModelCacheArgs(plan=plan, after=tuple(foundations))
            child = pulumi.ResourceOptions(parent=self)
            foundations.append(ModelCache(f"{name}-cache", cache, child).claim)
        return (*foundations, *policies)

    def _network_policies(
        self, name: str, plan: Plan, after: tuple[pulumi.Resource, ...]
    ) -> tuple[pulumi.Resource, ...]:
        if plan.network is None:
            return ()
        args = AppNetworkPolicyArgs(plan=plan, network=plan.network, after=after)
        child = pulumi.ResourceOptions(parent=self)
        return tuple(AppNetworkPolicy(f"{name}-network", args, child).policies)


def namespace_metadata(plan: Plan) -> ObjectMetaArgs:
    """Build the namespace's metadata, with the Pod Security level that its pods need."""
    return ObjectMetaArgs(
        name=plan.names.namespace,
        labels={
            **object_labels(plan, "namespace"),
            ENFORCE: plan.cache.pod_security.level,
        },
        annotations=owner(plan.names),
    )
