"""The stack config as types: every key, its default, and what one value alone must satisfy.

Rules that need two keys at once stand in `settings.rules`. Secrets are not here: their values never
leave `settings.pulumi_config`.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

_QUANTITY = re.compile(r"[1-9][0-9]*(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_IMAGE = re.compile(r"[a-z0-9.:/_-]+(:[A-Za-z0-9_][A-Za-z0-9_.-]*|@sha256:[0-9a-f]{64})")


def _from_json(value: object) -> object:
    # Pulumi hands every value to the program as text, objects and lists as JSON text.
    if isinstance(value, str) and value.strip()[:1] in {"{", "["}:
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            return value
    return value


def _plain_to_text(value: object) -> object:
    # YAML reads `cpu: 8` as a number; Kubernetes takes both.
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:g}"
    return value


def _rule(message: str) -> PydanticCustomError:
    return PydanticCustomError("rule", "{message}", {"message": message})


def _check_quantity(value: str) -> str:
    if not _QUANTITY.fullmatch(value):
        raise _rule("is a Kubernetes quantity in canonical form, such as 8, 500m or 32Gi")
    return value


def _check_dns_label(value: str) -> str:
    if len(value) > 63 or not _DNS_LABEL.fullmatch(value):
        raise _rule("is a DNS label: a-z, 0-9 and '-', at most 63 characters")
    return value


def _check_image(value: str) -> str:
    if not _IMAGE.fullmatch(value) or value.endswith(":latest"):
        raise _rule(
            "is an image with a fixed tag or digest; 'latest' changes under a running stack"
        )
    return value


def _check_revision(value: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}", value):
        raise _rule("is a commit sha of 40 hex digits; a branch changes under a running stack")
    return value


Quantity = Annotated[str, BeforeValidator(_plain_to_text), AfterValidator(_check_quantity)]
DnsLabel = Annotated[str, AfterValidator(_check_dns_label)]
Image = Annotated[str, AfterValidator(_check_image)]
Revision = Annotated[str, AfterValidator(_check_revision)]
Text = Annotated[str, BeforeValidator(_plain_to_text)]


class Section(BaseModel):
    """A part of the stack config: camelCase keys, unknown ones refused, values never printed."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=False,
    )


class Toleration(Section):
    """A Kubernetes toleration of the preset's pool."""

    key: str | None = None
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str | None = None
    effect: Literal["NoSchedule", "NoExecute", "PreferNoSchedule"] | None = None
    toleration_seconds: int | None = None


class Pool(Section):
    """Where the nodes of a preset are found."""

    node_selector: dict[str, Text] = {}
    tolerations: tuple[Toleration, ...] = ()


class Preset(Section):
    """A GPU flavour of the cluster, as an app platform's catalogue lists it."""

    name: str
    vendor: Literal["nvidia", "amd"] | None = None
    product: str | None = Field(default=None, description="a key of catalog/gpus.yaml")
    gpus: int = Field(default=0, ge=0, le=16)
    cpu: Quantity
    memory: Quantity
    price_per_hour: float = Field(default=0.0, ge=0)
    capacity: int | None = Field(
        None, ge=0, description="nodes' worth of this preset; none: unknown"
    )
    pool: Pool = Pool()


class SecretReference(Section):
    """A key of a Secret that exists in the app's namespace."""

    name: str
    key: str = "token"


class Namespace(Section):
    """The namespace of the app."""

    name: DnsLabel = "llm"
    create: bool = True


class Kubernetes(Section):
    """Which cluster: a kubeconfig context, or a directory to render manifests to."""

    context: str | None = None
    cluster_id: str | None = Field(default=None, description="default: the context's name")
    render_to: str | None = None


class Tls(Section):
    """TLS of the ingress, from a Secret that exists in the app's namespace."""

    secret_name: str


class Ingress(Section):
    """The way in from outside the cluster."""

    enabled: bool = True
    host: str | None = Field(default=None, description="may hold {app}, {namespace} and {stack}")
    class_name: str = "traefik"
    tls: Tls | None = None
    auth: Literal["none"] = "none"
    annotations: dict[str, Text] = {}


class Interceptor(Section):
    """Where the KEDA HTTP add-on answers; the defaults are those of its Helm chart."""

    namespace: DnsLabel = "keda"
    proxy_service: DnsLabel = "keda-add-ons-http-interceptor-proxy"
    proxy_port: int = Field(default=8080, ge=1, le=65535)
    scaler_service: DnsLabel = "keda-add-ons-http-external-scaler"
    scaler_port: int = Field(default=9090, ge=1, le=65535)


class Autoscaling(Section):
    """Replicas by request rate, through the KEDA HTTP add-on."""

    enabled: bool = False
    min_replicas: int = Field(default=1, ge=0)
    max_replicas: int = Field(default=5, ge=1)
    requests_per_second: int = Field(default=100, ge=1, description="target per replica")
    window_seconds: int = Field(default=60, ge=1)
    granularity_seconds: int = Field(default=1, ge=1)
    scale_down_seconds: int = Field(default=300, ge=0)
    kind: Literal["interceptorRoute", "httpScaledObject"] = "interceptorRoute"
    interceptor: Interceptor = Interceptor()


class Cache(Section):
    """The volume that keeps the model's files between restarts."""

    enabled: bool = True
    size: Quantity | None = Field(
        default=None, description="default: the model's files plus headroom"
    )
    storage_class: str | None = None
    access_mode: Literal["ReadWriteOnce", "ReadWriteMany"] = "ReadWriteOnce"
    retain: bool = Field(
        default=True, description="protect the volume, and keep it when the stack goes"
    )


class Rollout(Section):
    """Limits of a rollout."""

    start_seconds: int | None = Field(
        default=None, ge=10, description="default: the planned start budget"
    )


class StackSettings(Section):
    """The whole stack config, but for secrets."""

    model: str
    revision: Revision | None = None
    name: DnsLabel = Field(default="vllm", max_length=40)
    preset: str = "auto"
    presets: tuple[Preset, ...]
    hugging_face_token_secret: SecretReference | None = None
    served_model_name: str | None = None
    max_model_len: int | None = Field(default=None, ge=1)
    dtype: Literal["auto", "bfloat16", "float16", "half"] | None = None
    gpu_memory_utilization: float | None = Field(default=None, gt=0, le=1)
    server_extra_args: tuple[Text, ...] = ()
    extra_env: dict[str, Text] = {}
    image: Image | None = None
    replicas: int = Field(default=1, ge=0)
    ingress: Ingress = Ingress()
    autoscaling: Autoscaling = Autoscaling()
    cache: Cache = Cache()
    namespace: Namespace = Namespace()
    kubernetes: Kubernetes = Kubernetes()
    priority_class: str | None = None
    labels: dict[str, Text] = {}
    node_selector: dict[str, Text] = {}
    tolerations: tuple[Toleration, ...] = ()
    rollout: Rollout = Rollout()


def decode(raw: dict[str, str]) -> dict[str, object]:
    """Turn the config's text values into what pydantic reads, JSON text into lists and objects."""
    return {key: _from_json(value) for key, value in raw.items()}
