"""Facts about models and GPUs, as frozen records."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

AttentionKind = Literal["full", "sliding_window", "chunked", "latent", "state_space"]
Confidence = Literal["high", "medium", "low"]
DataType = Literal["bfloat16", "float16"]
EncoderKind = Literal["vision", "audio"]
Quantization = Literal["none", "awq", "fp8", "gptq", "mxfp4", "nvfp4"]
Task = Literal["chat", "completion", "embedding", "transcription"]
Vendor = Literal["nvidia", "amd"]
WeightFormat = Literal["hf", "mistral"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionLayers:
    """A number of decoder layers that keep the same kind of cache.

    `window` is in tokens: the width of a sliding window or the size of an attention chunk.
    """

    kind: AttentionKind
    layers: int
    window: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentAttention:
    """Ranks and head sizes of multi-head latent attention (DeepSeek-V2), in elements."""

    query_rank: int
    kv_rank: int
    nope_head_dim: int
    rope_head_dim: int
    value_head_dim: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Experts:
    """The mixture-of-experts part of the decoder.

    `intermediate` is the width of one expert; `dense_layers` counts the layers without experts.
    """

    count: int
    per_token: int
    shared: int
    intermediate: int
    dense_layers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSpace:
    """The Mamba-2 mixer of a state-space decoder, in elements."""

    heads: int
    head_dim: int
    state: int
    groups: int
    expand: int
    convolution: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """The vision or audio encoder that vLLM loads and profiles beside the decoder.

    `parameters` includes the projector; the other fields are None where no source gives them.
    """

    kind: EncoderKind
    parameters: int
    layers: int | None = None
    hidden: int | None = None
    intermediate: int | None = None
    heads: int | None = None
    patch: int | None = None
    image_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """The shape of a decoder, with the cache kind of each of its layers.

    `kv_heads` is 0 for a decoder without attention. `intermediate` is the width of a dense layer.
    """

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied_embeddings: bool
    max_position_embeddings: int
    attention: tuple[AttentionLayers, ...]
    latent: LatentAttention | None = None
    experts: Experts | None = None
    state_space: StateSpace | None = None
    encoder: Encoder | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What the makers of a model advise for serving it with vLLM; None where they say nothing.

    `context` is in tokens and always known.
    """

    context: int
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    gpu_memory_utilization: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A Hugging Face repository that vLLM can serve, at one commit.

    `weights_bytes` counts what vLLM puts on all GPUs together, one weight set where a repository
    holds two; `files_bytes` are those of its files, None where they are taken to be the same: files
    in float32 are twice that, and vLLM leaves some tensors out. `revision` is a commit sha, or None
    where none is known. `gated` is None where unknown. `vllm_args` are the makers' flags other than
    those that follow from `weight_format` (mistral stands for the tokenizer mode, config format and
    load format of that name) and from `recommended`. `quantization_block` is the edge of an FP8
    scaling block or the size of an AWQ or GPTQ group, in elements. `harmony` tells that vLLM writes
    and reads OpenAI's Harmony format for it, by a vocabulary that the repository does not hold.
    """

    id: str
    short_names: tuple[str, ...]
    revision: str | None
    license: str
    gated: bool | None
    task: Task
    dtype: DataType
    quantization: Quantization
    quantization_block: int | None = None
    parameters: int
    weights_bytes: int
    files_bytes: int | None = None
    weight_format: WeightFormat
    architecture: Architecture
    recommended: Recommendation
    vllm_args: tuple[str, ...] = ()
    vllm_min: str | None = None
    harmony: bool = False
    sources: tuple[str, ...]
    confidence: Confidence
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The first short name, which no other model has."""
        return self.short_names[0]

    @property
    def download_bytes(self) -> int:
        """Bytes of the files that are downloaded, kept and read."""
        return self.weights_bytes if self.files_bytes is None else self.files_bytes

    def allows_tensor_parallel(self, size: int) -> bool:
        """Whether vLLM can shard the model over so many GPUs.

        Heads must divide evenly (vLLM 0.33 config/model.py, verify_with_parallel_config), so must
        the widths of layers, and a shard must hold whole scaling blocks; the vocabulary is padded.
        """
        shape = self.architecture
        widths = [shape.intermediate, *((shape.experts.intermediate,) if shape.experts else ())]
        counts = [shape.heads, *widths]
        if shape.state_space:
            counts += [shape.state_space.heads, shape.state_space.groups]
        if shape.encoder and shape.encoder.heads:
            counts.append(shape.encoder.heads)
        if any(count % size for count in counts):
            return False
        replicated = shape.kv_heads == 0 or size % shape.kv_heads == 0
        block = self.quantization_block or 1
        return (replicated or shape.kv_heads % size == 0) and not any(
            width // size % block for width in widths
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A container image whose entrypoint is `vllm serve`."""

    repository: str
    tag: str

    @property
    def reference(self) -> str:
        """What a container spec takes."""
        return f"{self.repository}:{self.tag}"

    @property
    def vllm_version(self) -> str:
        """The vLLM release inside, which the tag names."""
        return self.tag.removeprefix("v")


@dataclass(frozen=True, slots=True, kw_only=True)
class MigProfile:
    """A part of a GPU that MIG cuts off, with the GiB that torch reports of it at least."""

    name: str
    visible_gib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU device as the container runtime hands it out.

    `visible_gib` is the total that torch reports, which vLLM multiplies by its utilisation; never
    the marketed GB, and `memory_bandwidth` the peak in 10**9 bytes/s. `weight_only` lists the
    quantisations that run by unpacking to 16 bits.
    `product_labels` are values of `product_label_key` on nodes that have this device,
    `vllm_args` are flags that the device needs whatever the model, and `mig` are the profiles of
    its instances, none where it has no MIG.
    """

    key: str
    vendor: Vendor
    name: str
    visible_gib: float
    memory_bandwidth: int
    architecture: str
    compute_capability: tuple[int, int] | None
    dtypes: tuple[DataType, ...]
    native: tuple[Quantization, ...]
    weight_only: tuple[Quantization, ...]
    fp8_kv_cache: bool
    product_label_key: str
    product_labels: tuple[str, ...]
    cpu_architecture: Literal["amd64", "arm64"] = "amd64"
    resource_name: str
    image: Image
    vllm_oldest: str | None = None
    vllm_newest: str | None = None
    vllm_args: tuple[str, ...] = ()
    warning: str | None = None
    mig: tuple[MigProfile, ...] = ()
    sources: tuple[str, ...]
    confidence: Confidence
    notes: tuple[str, ...] = ()

    def instance(self, profile: MigProfile) -> Gpu:
        """Describe one MIG instance as the device that a pod gets.

        Resource and labels are those of the MIG strategy `mixed` (NVIDIA/k8s-device-plugin,
        internal/lm/mig-strategy.go); `single` calls an instance nvidia.com/gpu.
        """
        resource = f"nvidia.com/mig-{profile.name}"
        return replace(
            self,
            key=f"{self.key}-mig-{profile.name}",
            name=f"{self.name}, MIG {profile.name}",
            visible_gib=profile.visible_gib,
            # Instances divide the memory's channels as they divide its size.
            memory_bandwidth=round(self.memory_bandwidth * profile.visible_gib / self.visible_gib),
            resource_name=resource,
            product_label_key=f"{resource}.product",
            product_labels=tuple(f"{label}-MIG-{profile.name}" for label in self.product_labels),
            mig=(),
        )

    def runs(self, quantization: Quantization) -> bool:
        """Whether weights quantised this way load, natively or unpacked to 16 bits."""
        return quantization == "none" or quantization in self.native + self.weight_only
