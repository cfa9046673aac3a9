"""The plan: one frozen record that holds every derived value of a stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from catalog.records import WeightFormat
from planning.auth import ApiKeyAuth, Auth
from planning.exposure import Exposure
from planning.names import Names, Pairs
from planning.network_rules import NetworkPlan
from planning.scaling import Scaling
from planning.token import TokenSecret
from planning.volumes import Cache


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedModel:
    """The model that is served."""

    id: str
    revision: str
    served_name: str
    context_length: int
    chat: bool
    embeds: bool
    weight_format: WeightFormat
    weights_gib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """How the model runs on one preset; every `_gib` is 2**30 bytes on one GPU, lengths in tokens.

    `cache_gib` is the KV cache of one request of `context_length`, `overhead_gib` the libraries and
    CUDA graphs; with weights and activation they are `required_gib`. `concurrent_requests` is how
    many requests of that length the whole cache holds. The GPU is one of `tensor_parallel` in each
    of `nodes`.
    """

    nodes: int = 1
    tensor_parallel: int
    context_length: int
    max_num_seqs: int
    weights_gib: float
    cache_gib: float
    activation_gib: float
    overhead_gib: float
    required_gib: float
    usable_gib: float
    concurrent_requests: float
    kv_bytes_per_token: float
    fits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one preset: how the model would run there, and why it was refused if it was.

    `sizing` is None where something else than memory refuses the preset.
    """

    preset: str
    product: str | None
    gpus: int
    hourly_price: float
    chosen: bool
    sizing: Sizing | None
    refusal: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Toleration:
    """A Kubernetes toleration."""

    key: str | None
    operator: str
    value: str | None
    effect: str | None
    toleration_seconds: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What a pod asks of the scheduler and of its node.

    Where a preset has several pools, `node_affinity` holds the labels of each, one of which a node
    has to carry whole, and `node_selector` is empty.
    One replica is a pod on each of `nodes`, and `hourly_price` that of all of them. `capacity` is
    the number of such replicas that the pool holds, None where nobody has said it.
    `device_groups` are numbers of the groups that own the GPU's devices on the node, and
    `takes_shared_gpus` tells that the stack insists on a node that shares a GPU among pods.
    `stack_selector` and `stack_tolerations` are the stack's own, without those of any pool, and
    `every_toleration` those of the stack and of the pools of all its presets.
    """

    preset: str
    vendor: str
    product: str
    gpus: int
    gpu_resource: str
    cpu: str
    memory: str
    shared_memory: str
    node_selector: Pairs
    tolerations: tuple[Toleration, ...]
    priority_class: str | None
    runtime_class: str | None
    device_groups: tuple[int, ...]
    takes_shared_gpus: bool
    capacity: int | None
    hourly_price: float
    nodes: int = 1
    node_affinity: tuple[Pairs, ...] = ()
    stack_selector: Pairs = ()
    stack_tolerations: tuple[Toleration, ...] = ()
    every_toleration: tuple[Toleration, ...] = ()

    @property
    def selectors(self) -> tuple[Pairs, ...]:
        """Labels of the nodes that may take the pod, one entry for each pool."""
        return self.node_affinity or (self.node_selector,)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPlacement:
    """Where the pods of a Deployment or Job that the cluster holds may go, as in `Placement`."""

    node_selector: Pairs
    node_affinity: tuple[Pairs, ...]
    tolerations: tuple[Toleration, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretVariable:
    """An environment variable whose value is an entry of a Secret in the app's namespace."""

    variable: str
    secret_name: str
    entry: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The container, how many there are at first, and how many there may be.

    `holds_replicas` tells that each update sets `replicas` again; else whoever scales is left
    alone. `worker_args` are those of the other pods of a replica over several nodes; empty on one.
    `pull_secrets` are for registries that ask who pulls, whatever pod of the app it is.
    `asks_hub` tells that vLLM fetches the model by itself, for which alone it needs the token.
    """

    image: str
    pull_secrets: tuple[str, ...] = ()
    args: tuple[str, ...]
    worker_args: tuple[str, ...] = ()
    env: Pairs
    secret_env: tuple[SecretVariable, ...] = ()
    replicas: int
    max_replicas: int
    holds_replicas: bool
    asks_hub: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StartBudget:
    """Seconds that a pod may take from creation to its first answer, and what they are made of.

    `node_seconds` are those of a node that is not there yet, and `override` takes the place of the
    others.
    """

    node_seconds: int = 0
    image_seconds: int
    download_seconds: int
    load_seconds: int
    warm_up_seconds: int
    override: int | None

    @property
    def seconds(self) -> int:
        """The budget that deadlines and Pulumi's timeouts share."""
        return self.node_seconds + self.on_node_seconds

    @property
    def on_node_seconds(self) -> int:
        """What is left of it once the pod has a node, where the startup probe begins."""
        if self.override is not None:
            return self.override
        return self.image_seconds + self.download_seconds + self.load_seconds + self.warm_up_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """Seconds of a stop: until SIGTERM, for what has started to finish, and until SIGKILL.

    `shutdown_timeout` is vLLM's; None where the version has none and aborts at once.
    """

    pre_stop_seconds: int
    shutdown_timeout: int | None
    grace_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """How pods are replaced, why so, and how long that may take.

    `progress_seconds` bounds one pod's replacement, `update_seconds` that of all of them.
    """

    strategy: Literal["Recreate", "RollingUpdate"]
    max_surge: int
    max_unavailable: int
    reason: str
    progress_seconds: int
    update_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where the plan is applied: a kubeconfig context, or a directory for manifests."""

    context: str | None
    cluster_id: str | None
    render_to: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that components need; the same settings and facts give the same plan.

    `keep_namespace` tells that the stack made its namespace and no longer wants to: it stays.
    `moves_from` is the server's placement in the cluster where the volume of the cache may be
    attached in another pool than the planned one, None where it is not.
    """

    names: Names
    create_namespace: bool
    keep_namespace: bool = False
    extra_labels: Pairs
    model: PlannedModel
    placement: Placement
    server: Server
    start: StartBudget
    drain: Drain
    rollout: Rollout
    cache: Cache
    request_seconds: int
    ingress: Exposure | None
    network: NetworkPlan | None
    scaling: Scaling | None
    auth: Auth
    token: TokenSecret | None
    cluster: Cluster
    moves_from: HeldPlacement | None = None
    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def api_key_secret(self) -> tuple[str, str] | None:
        """Name and entry of the Secret with the API key that clients use."""
        return (self.auth.secret_name, self.auth.key) if isinstance(self.auth, ApiKeyAuth) else None
