"""The stack config as types: every key and its default.

Rules that need two keys at once stand in `settings.rules`. Secrets are not here: their values never
leave `settings.pulumi_config`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from settings.autoscaling import Autoscaling
from settings.cache import Cache
from settings.ingress import Ingress
from settings.network import Network
from settings.values import (
    MOST_REPLICAS,
    Budget,
    Bytes,
    Cpus,
    DnsLabel,
    DnsSubdomain,
    Duration,
    Filled,
    GroupId,
    Image,
    Price,
    Printable,
    Revision,
    SecretKey,
    Section,
    ServedName,
    ServiceName,
    Text,
)
from settings.variables import Variable


def _from_json(value: object) -> object:
    # Pulumi hands every value to the program as text, objects and lists as JSON text.
    if isinstance(value, str) and value.strip()[:1] in {"{", "["}:
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


class Toleration(Section):
    """A Kubernetes toleration of the preset's pool."""

    key: str | None = None
    operator: Literal["Exists", "Equal"] | None = None
    value: Text | None = None
    effect: Literal["NoSchedule", "NoExecute", "PreferNoSchedule"] | None = None
    toleration_seconds: int | None = None

    @property
    def settled_operator(self) -> Literal["Exists", "Equal"]:
        """The operator; as in Kubernetes, a value alone asks for `Equal`."""
        return self.operator or ("Exists" if self.value is None else "Equal")


class Pool(Section):
    """Where the nodes of a preset are found."""

    node_selector: dict[str, Text] = Field(default={}, description="labels of the nodes")
    tolerations: tuple[Toleration, ...] = Field(default=(), description="taints of the nodes")
    device_groups: tuple[GroupId, ...] | None = Field(
        default=None,
        description="owners of the GPU's devices on the nodes; default: 44 and 109 for AMD",
    )


class Preset(Section):
    """A GPU flavour of the cluster, as an app platform's catalogue lists it."""

    name: Printable = Field(description="what `preset` chooses it by")
    vendor: Literal["nvidia", "amd"] | None = Field(
        default=None, description="of the GPU; default: required with `gpus`"
    )
    product: str | None = Field(
        default=None, description="a key of catalog/gpus.yaml; default: required with `gpus`"
    )
    gpus: int = Field(default=0, ge=0, le=16, description="GPUs of one replica, on one node")
    cpu: Cpus = Field(description="CPUs of one replica")
    memory: Bytes = Field(description="memory of one replica")
    price_per_hour: Price = Field(default=0.0, description="of one replica, in any currency")
    capacity: int | None = Field(
        default=None, ge=0, description="replicas that the cluster can hold; default: unknown"
    )
    mig: str | None = Field(
        default=None,
        description="MIG profile, such as `3g.40gb`: a replica gets one such part of the GPU; "
        "default: whole GPUs",
    )
    pool: Pool = Pool()
    pools: tuple[Pool, ...] = Field(
        default=(), description="instead of `pool`: several, any of which will do"
    )

    @property
    def node_pools(self) -> tuple[Pool, ...]:
        """The pools, of which a pod goes to any one."""
        return self.pools or (self.pool,)


class SecretReference(Section):
    """A key of a Secret that exists in the app's namespace."""

    name: DnsSubdomain = Field(description="Secret that holds the Hugging Face token")
    key: SecretKey = Field(default="token", description="its key")


class ExternalToken(Section):
    """A value of a secret store, which the External Secrets Operator copies into a Secret."""

    store: DnsSubdomain = Field(description="store of the External Secrets Operator")
    store_kind: Literal["SecretStore", "ClusterSecretStore"] = Field(
        default="SecretStore", description="the first is in the app's namespace"
    )
    key: Printable = Field(description="what holds the token in the store")
    property: Printable | None = Field(
        default=None, description="a field of it; default: the whole value"
    )
    refresh_interval: Duration = Field(
        default="1h0m0s", description="of the copy; running pods keep the value they started with"
    )


class Namespace(Section):
    """The namespace of the app."""

    name: DnsLabel = Field(default="llm", description="namespace of the app")
    create: bool = Field(default=True, description="whether the stack creates it")


class Kubernetes(Section):
    """Which cluster: a kubeconfig context, or a directory to render manifests to."""

    context: Filled | None = Field(
        default=None, description="kubeconfig context; default: required, unless `renderTo` is set"
    )
    cluster_id: Filled | None = Field(
        default=None, description="when it changes, every object is replaced; default: `context`"
    )
    render_to: Filled | None = Field(
        default=None, description="directory for manifests, instead of a cluster"
    )


class MultiNode(Section):
    """Several nodes for one replica of a model that no single node holds."""

    max_nodes: int = Field(
        default=1,
        ge=1,
        le=8,
        description="most nodes one replica may span, used only if no single node can hold the "
        "model",
    )


class Rollout(Section):
    """Limits of a rollout."""

    start_seconds: Budget | None = Field(
        default=None,
        description="until a pod that has a node must answer; "
        "default: planned from what it fetches and loads",
    )
    download_seconds: Budget | None = Field(
        default=None,
        description="until the download Job must be done; default: planned from the files",
    )
    node_seconds: int = Field(
        default=0,
        ge=0,
        le=7200,
        description="that a cluster autoscaler may take to add a node, such as 600 for GPUs; "
        "added to what a start, a rollout and a download may take",
    )
    drain_seconds: int | None = Field(
        default=None,
        ge=0,
        le=86400,
        description="seconds that a terminating pod gives to requests in progress; default: 110",
    )


class StackSettings(Section):
    """The whole stack config, but for secrets."""

    model: Filled = Field(description="Hugging Face repository, or a short name of the catalogue")
    revision: Revision | None = Field(
        default=None, description="commit sha of the repository; default: pinned by the catalogue"
    )
    name: ServiceName = Field(default="vllm", description="of the app and its objects")
    preset: str = Field(default="auto", description="a preset's name; `auto`: cheapest that fits")
    presets: tuple[Preset, ...] = Field(
        description="GPU flavours of the cluster: a list, or a file that holds it"
    )
    hugging_face_token_secret: SecretReference | None = None
    hugging_face_token_external: ExternalToken | None = None
    check_access: bool = Field(
        default=True, description="try at preview whether the Hub opens the model to the token"
    )
    served_model_name: ServedName | None = Field(
        default=None, description="what clients put in `model`; default: the repository"
    )
    max_model_len: int | None = Field(
        default=None, ge=1, description="tokens of one request; default: planned"
    )
    dtype: Literal["auto", "bfloat16", "float16", "half"] | None = Field(
        default=None, description="of the weights; default: vLLM's choice"
    )
    max_num_seqs: int | None = Field(
        default=None, ge=1, description="sequences in one batch; default: planned"
    )
    max_num_batched_tokens: int | None = Field(
        default=None, ge=1, description="tokens in one batch; default: planned"
    )
    quantization: Literal["fp8"] | None = Field(
        default=None,
        description="`fp8` converts 16-bit weights as they load; default: as published",
    )
    kv_cache_dtype: Literal["auto", "fp8", "fp8_e4m3", "fp8_e5m2"] | None = Field(
        default=None, description="of the KV cache; default: that of the activations"
    )
    gpu_memory_utilization: float | None = Field(
        default=None, gt=0, le=1, description="share of GPU memory for vLLM; default: planned"
    )
    force: bool = Field(
        default=False, description="obey the keys above even where the plan says it cannot fit"
    )
    server_extra_args: tuple[Text, ...] = Field(default=(), description="added to `vllm serve`")
    extra_env: dict[str, Variable] = Field(
        default={},
        description="variables of the container: a text each, or `{name, key}`, the Secret that "
        "exists and its entry",
    )
    image: Image | None = Field(
        default=None, description="of vLLM, with a fixed tag; default: by GPU, from the catalogue"
    )
    image_pull_secrets: tuple[DnsSubdomain, ...] = Field(
        default=(), description="Secrets that exist, for registries that ask who pulls"
    )
    replicas: int | None = Field(
        default=None,
        ge=0,
        le=MOST_REPLICAS,
        description="number of replicas when autoscaling is off, set again on every `up`; "
        "default: 1 on creation, afterwards left to `kubectl scale` or another scaler",
    )
    request_seconds: int = Field(
        default=1800,
        ge=1,
        le=86400,
        description="longest response time in seconds that no component on the path cuts off",
    )
    ingress: Ingress = Ingress()
    network: Network = Network()
    autoscaling: Autoscaling = Autoscaling()
    cache: Cache = Cache()
    multi_node: MultiNode = MultiNode()
    namespace: Namespace = Namespace()
    kubernetes: Kubernetes = Kubernetes()
    priority_class: DnsSubdomain | None = Field(default=None, description="of the pods")
    runtime_class: DnsSubdomain | None = Field(
        default=None, description="of the pods, such as `nvidia`"
    )
    labels: dict[str, Text] = Field(default={}, description="added to every object")
    node_selector: dict[str, Text] = Field(default={}, description="added to the preset's")
    tolerations: tuple[Toleration, ...] = Field(default=(), description="added to the preset's")
    rollout: Rollout = Rollout()

    @property
    def most_replicas(self) -> int:
        """Replicas that there may be at a time, as far as the config tells."""
        if self.autoscaling.enabled:
            return self.autoscaling.max_replicas
        return 1 if self.replicas is None else self.replicas

    def placed_pools(self) -> Iterator[tuple[str, Pool]]:
        """Give the pools of all presets, each with the key that it stands at."""
        for index, preset in enumerate(self.presets):
            for number, pool in enumerate(preset.node_pools):
                where = f"pools[{number}]" if preset.pools else "pool"
                yield f"presets[{index}].{where}", pool


def decode(raw: dict[str, str]) -> dict[str, object]:
    """Turn the config's text values into what pydantic reads, JSON text into lists and objects."""
    return {key: _from_json(value) for key, value in raw.items()}
