"""What rate of requests one replica can serve: an estimate, to hold a target against.

Decoding is bound by memory: a step reads the weights once and the cache of every sequence of the
batch, and gives each sequence a token. So with w the bytes of weights, k those of cache per token,
n the mean length of a sequence, b the batch and B the bandwidth, all of one GPU,

    requests/s = b * B / (w + b * k * n) / answer tokens

A full batch reaches all experts of a mixture, so w is all weights. Prefill, sampling and links
between GPUs are left out: a real server is slower, most of all with long prompts.
"""

from __future__ import annotations

from planning.plan import Sizing
from planning.units import GIB

PROMPT_TOKENS = 1000
"""Assumption: about the median prompt of conversations in Azure's trace of 2023 (1020 tokens), as
the Splitwise paper tells of it."""

ANSWER_TOKENS = 200
"""Assumption: above the median answer in that trace (129 tokens), since answers have grown."""


def requests_per_second(
    sizing: Sizing,
    *,
    memory_bandwidth: int,
    prompt_tokens: int = PROMPT_TOKENS,
    answer_tokens: int = ANSWER_TOKENS,
    shared_tokens: int = 0,
) -> float:
    """Estimate the most requests/s that one replica can answer.

    Args:
        sizing: of the replica.
        memory_bandwidth: of one GPU in 10**9 bytes/s.
        prompt_tokens: of a request.
        answer_tokens: of a request.
        shared_tokens: of a prompt, those whose cache other requests use too.
    """
    own = (prompt_tokens - shared_tokens + answer_tokens) * sizing.kv_bytes_per_token
    room = sizing.concurrent_requests * sizing.cache_gib * GIB
    batch = max(1.0, min(sizing.max_num_seqs, room / own)) if own else sizing.max_num_seqs
    mean = (prompt_tokens + answer_tokens / 2) * sizing.kv_bytes_per_token
    step_bytes = sizing.weights_gib * GIB + batch * mean
    return batch * memory_bandwidth * 10**9 / step_bytes / answer_tokens


def written(rate: float) -> str:
    """Write a rate with as many digits as an estimate deserves: two, or whole requests/s."""
    return f"{rate:.2g}" if rate < 99.5 else f"{rate:.0f}"
