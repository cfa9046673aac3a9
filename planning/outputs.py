"""The stack's outputs, contract version 1: names and types that other stacks rely on, no secret."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from planning.names import PORT
from planning.plan import Plan

CONTRACT_VERSION = 1


class StackOutputs(BaseModel):
    """What the stack gives to others; an output without a value is absent, never null.

    A consumer that requires one then fails instead of using nothing. In the same version an output
    may be added, or become one that is always there; any other change raises the version.
    """

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, title="Stack outputs"
    )

    contract_version: Literal[1] = Field(
        description="version of this table; a change that breaks a consumer raises it"
    )
    app_host: str | None = Field(
        default=None,
        description="scheme and host: `<appHost>/v1/chat/completions` works as written; "
        "absent without an ingress",
    )
    api_base_url: str | None = Field(
        default=None,
        description="what OpenAI clients call base URL; absent without an ingress",
    )
    chat_completions_url: str | None = Field(
        default=None,
        description="absent without an ingress, and for a model that cannot chat",
    )
    embeddings_url: str | None = Field(
        default=None,
        description="absent without an ingress, and for a model that gives no embeddings",
    )
    internal_url: str = Field(
        description="scheme, host and port inside the cluster, past the ingress, for the pods that "
        "`network.clients` of the stack names; with autoscaling by way of the interceptor, so that "
        "requests are counted"
    )
    model: str = Field(description="Hugging Face repository")
    served_model_name: str = Field(description="what clients put in `model`")
    revision: str = Field(
        description="commit of the repository; `main` in a stack `dev` with a model that nobody "
        "has pinned"
    )
    context_length: int = Field(description="tokens of one request")
    preset: str = Field(description="the chosen preset")
    gpus: int = Field(description="GPUs of one replica")
    hourly_price: float = Field(description="of one replica, in the currency of the presets")
    namespace: str = Field(description="namespace of the app")
    service_name: str = Field(description="Service in front of the server")
    cache_path: str = Field(description="where the cache is in the container")
    auth_type: str = Field(
        description="who may call: `none` (everybody), `apiKey`, `basic`, `forwardAuth`, "
        "`middleware` or `oidc`; `apiKey` holds for `/v1` inside the cluster too, the other kinds "
        "only at the ingress"
    )
    api_key_secret_name: str | None = Field(
        default=None,
        description="Secret of the app's namespace with a key for clients; absent unless "
        "`authType` is `apiKey`",
    )
    api_key_secret_key: str | None = Field(
        default=None, description="entry of that Secret; absent unless `authType` is `apiKey`"
    )


def stack_outputs(plan: Plan) -> dict[str, str | int | float]:
    """Give every output of the plan by its name; all of them are known at preview."""
    host, secret = plan.ingress.url if plan.ingress else None, plan.api_key_secret
    outputs = StackOutputs(
        contract_version=CONTRACT_VERSION,
        app_host=host,
        api_base_url=f"{host}/v1" if host else None,
        chat_completions_url=f"{host}/v1/chat/completions" if host and plan.model.chat else None,
        embeddings_url=f"{host}/v1/embeddings" if host and plan.model.embeds else None,
        internal_url=_internal_url(plan),
        model=plan.model.id,
        served_model_name=plan.model.served_name,
        revision=plan.model.revision,
        context_length=plan.model.context_length,
        preset=plan.placement.preset,
        gpus=plan.placement.gpus * plan.placement.nodes,
        hourly_price=plan.placement.hourly_price,
        namespace=plan.names.namespace,
        service_name=plan.names.server,
        cache_path=plan.cache.path,
        auth_type=plan.auth.kind,
        api_key_secret_name=secret[0] if secret else None,
        api_key_secret_key=secret[1] if secret else None,
    )
    return outputs.model_dump(by_alias=True, exclude_none=True)


def _internal_url(plan: Plan) -> str:
    if plan.scaling is None:
        return f"http://{plan.names.service_host}:{PORT}"
    return f"http://{plan.names.interceptor_host}:{plan.scaling.interceptor.port}"
