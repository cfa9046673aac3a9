"""What the key-value cache takes on one GPU, in the blocks that vLLM allots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catalog.records import Architecture, AttentionLayers

BLOCK_TOKENS = 16  # vLLM's default --block-size on CUDA and ROCm
# One bucket of layers is padded up to the other's count when they are less than this apart
# (vllm/v1/core/kv_cache_utils.py, 0.19.1 and 0.31.0).
_PAD_RATIO = 1.5


@dataclass(frozen=True, slots=True)
class CacheGroups:
    """Groups of equal layer count whose layers share block numbers; `window` is in tokens."""

    kind: str
    count: int
    window: int | None


@dataclass(frozen=True, slots=True)
class CacheLayout:
    """How the cache of one rank is cut into blocks.

    `block_bytes` is one block of one group: 16 tokens in each of its layers. `state_bytes` is what
    each sequence holds whatever its length. `in_flight_tokens` are scheduled but not yet freed.
    """

    block_bytes: int
    groups: tuple[CacheGroups, ...]
    state_bytes: int
    in_flight_tokens: int

    @property
    def bytes_per_token(self) -> float:
        """Bytes of one more token of a long request, or of a short one where every layer slides."""
        growing = [group for group in self.groups if group.window is None] or self.groups
        return sum(group.count for group in growing) * self.block_bytes / BLOCK_TOKENS

    def request_blocks(self, context: int) -> int:
        """Blocks that vLLM sets aside for one request of so many tokens.

        Source: max_admission_blocks_per_request in vllm/v1/kv_cache_interface.py (0.31.0).
        """
        return sum(self._blocks(group, context) for group in self.groups)

    def request_bytes(self, context: int) -> int:
        """Bytes that vLLM sets aside for one request of so many tokens."""
        return self.request_blocks(context) * self.block_bytes + self.state_bytes

    def requests(self, free_bytes: float, context: int) -> float:
        """Requests of so many tokens that fit beside each other, as vLLM's maximum concurrency."""
        if free_bytes <= 0:
            return 0.0
        if not self.block_bytes:
            return float(int(free_bytes / self.state_bytes))
        if self.state_bytes:
            return free_bytes / self.request_bytes(context)
        return int(free_bytes / self.block_bytes) / self.request_blocks(context)

    def tokens(self, free_bytes: float, context: int) -> int:
        """Tokens that the cache holds, as the "KV cache size" line of the log gives them.

        Source: get_kv_cache_capacity in vllm/v1/core/kv_cache_utils.py (0.31.0); with one group it
        equals the number of blocks times 16, which older versions log.
        """
        if len(self.groups) == 1 and self.groups[0].window is None and not self.state_bytes:
            return int(max(0.0, free_bytes) / self.block_bytes) * BLOCK_TOKENS
        return int(self.requests(free_bytes, context) * context)

    def _blocks(self, group: CacheGroups, context: int) -> int:
        if group.window is None:
            return group.count * _ceil(context, BLOCK_TOKENS)
        if group.kind == "chunked":
            held = min(group.window + self.in_flight_tokens, context)
            return group.count * _ceil(held, BLOCK_TOKENS)
        held = min(group.window - 1 + self.in_flight_tokens, context)
        return group.count * (_ceil(held, BLOCK_TOKENS) + 1)


def cache_layout(
    shape: Architecture, *, tensor_parallel: int, element_bytes: int, in_flight_tokens: int
) -> CacheLayout:
    """Lay out the cache of one rank.

    `element_bytes` is 2 for a 16-bit cache and 1 for FP8; a state-space layer always keeps 16 bits.
    Key-value heads are split over the ranks down to one each; the latent vector of MLA is on every
    rank whole. Source of the page sizes: vllm/v1/kv_cache_interface.py (0.31.0, 0.33.0).
    """
    buckets = [layers for layers in shape.attention if layers.kind != "state_space"]
    size = _group_size(buckets)
    elements = _elements_per_token(shape, tensor_parallel)
    return CacheLayout(
        block_bytes=size * BLOCK_TOKENS * elements * element_bytes,
        groups=tuple(
            CacheGroups(layers.kind, _ceil(layers.layers, size), layers.window)
            for layers in buckets
        ),
        state_bytes=_state_bytes(shape, tensor_parallel),
        in_flight_tokens=in_flight_tokens,
    )


def _group_size(buckets: list[AttentionLayers]) -> int:
    counts = [layers.layers for layers in buckets]
    if not counts:
        return 0
    least, most = min(counts), max(counts)
    return most if most < least * _PAD_RATIO else least


def _elements_per_token(shape: Architecture, tensor_parallel: int) -> int:
    if shape.latent:
        return shape.latent.kv_rank + shape.latent.rope_head_dim
    return max(1, shape.kv_heads // tensor_parallel) * 2 * shape.head_dim


def _state_bytes(shape: Architecture, tensor_parallel: int) -> int:
    mixer = shape.state_space
    if mixer is None:
        return 0
    layers = sum(group.layers for group in shape.attention if group.kind == "state_space")
    channels = mixer.expand * shape.hidden + 2 * mixer.groups * mixer.state
    state = mixer.heads * mixer.head_dim * mixer.state + (mixer.convolution - 1) * channels
    return layers * state * 2 // tensor_parallel


def _ceil(value: int, step: int) -> int:
    return -(-value // step)
