"""The estimate of what rate one replica can serve."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.loader import find_gpu, load_gpus
from planning.plan import Sizing
from planning.scaling_rate import requests_per_second
from tests.choices import planned, preset


def sizing(model: str, product: str, gpus: int) -> Sizing:
    plan = planned([preset(product, gpus)], model=model, force=True)
    (chosen,) = [verdict for verdict in plan.verdicts if verdict.chosen]
    assert chosen.sizing is not None
    return chosen.sizing


def test_the_estimate_meets_the_knee_that_was_measured() -> None:
    # Qwen3-32B on 2 H100, prompts of 7200 tokens of which 6000 are shared, answers of 1000: latency
    # turns between 2 and 2.5 requests/s a replica (llm-d, guides/optimized-baseline).
    able = requests_per_second(
        sizing("qwen3-32b", "h100-80", 2),
        memory_bandwidth=find_gpu("h100-80").memory_bandwidth,
        prompt_tokens=7200,
        answer_tokens=1000,
        shared_tokens=6000,
    )
    assert 1.5 < able < 3.5


@given(
    prompt=st.integers(min_value=1, max_value=20_000),
    answer=st.integers(min_value=1, max_value=4000),
    bandwidth=st.integers(min_value=100, max_value=10_000),
)
def test_more_tokens_are_slower_and_more_bandwidth_is_faster(
    prompt: int, answer: int, bandwidth: int
) -> None:
    server = sizing("mistral-7b-instruct", "h100-80", 1)

    def able(prompt: int, answer: int, bandwidth: int) -> float:
        return requests_per_second(
            server, memory_bandwidth=bandwidth, prompt_tokens=prompt, answer_tokens=answer
        )

    rate = able(prompt, answer, bandwidth)
    assert rate > 0
    assert able(prompt + 100, answer, bandwidth) <= rate * (1 + 1e-9)
    assert able(prompt, answer + 100, bandwidth) < rate
    assert able(prompt, answer, 2 * bandwidth) == pytest.approx(2 * rate)


def test_a_model_without_a_cache_is_bound_by_its_weights() -> None:
    server = replace(sizing("mistral-7b-instruct", "l4", 1), kv_bytes_per_token=0.0)
    steps = 300e9 / (server.weights_gib * 2**30)
    expected = server.max_num_seqs * steps / 200
    assert requests_per_second(server, memory_bandwidth=300) == pytest.approx(expected)


def test_every_gpu_has_a_bandwidth_that_reads_its_memory_in_a_fraction_of_a_second() -> None:
    for gpu in load_gpus():
        seconds = gpu.visible_gib * 2**30 / (gpu.memory_bandwidth * 10**9)
        assert 0.01 < seconds < 0.5, gpu.key
