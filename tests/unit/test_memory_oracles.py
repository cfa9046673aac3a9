"""The memory model against figures that were worked out or measured elsewhere."""

from dataclasses import replace
from math import isclose

import pytest

from benchmarks.sizing import broken_bounds, compare, render
from benchmarks.sizing_logs import read_logs
from catalog.loader import find_gpu, find_model
from catalog.records import AttentionLayers
from planning.kv_cache import CacheGroups, CacheLayout
from planning.memory import EngineSettings, MemoryPlan, memory, rank_cache_layout
from planning.weights import converted_weights_bytes, replicated_bytes, weights_bytes_per_gpu

H100 = find_gpu("h100-80")
SETTINGS = EngineSettings(max_model_len=8192, vllm_version="0.31.0")


def plan(name: str, tensor_parallel: int = 1, context: int = 8192) -> MemoryPlan:
    settings = replace(SETTINGS, max_model_len=context)
    return memory(find_model(name), H100, tensor_parallel, settings)


# KiB per token on one GPU, worked out by hand from the model's config.
KV_KIB = {
    "mistral-7b-instruct": 128,
    "ministral-8b": 144,
    "mistral-nemo": 160,
    "codestral-22b": 224,
    "mistral-small-3.2": 160,
    "ministral-3-3b": 104,
    "mixtral-8x22b": 224,
    "mistral-large-2": 352,
    "mistral-small-4": 22.5,
    "mistral-large-3": 68.625,
    "voxtral-mini-3b": 120,
    "gpt-oss-120b": 36,
}


@pytest.mark.parametrize("name", KV_KIB)
def test_a_token_takes_what_the_config_says(name: str) -> None:
    assert plan(name).kv_bytes_per_token == KV_KIB[name] * 1024


# Visible GiB per GPU that 64 sequences and 2,048 batched tokens need, by another implementation of
# vLLM's rules with wider margins: context, then tensor parallel 1, 2, 4 and 8.
NEEDED = [
    ("mistral-7b-instruct", 8192, (17, 11, 7, 5)),
    ("mistral-7b-instruct", 32768, (21, 12, 8, 5)),
    ("mistral-nemo", 32768, (32, 18, 11, 7)),
    ("pixtral-12b", 8192, (31, 18, 11, 8)),
    ("codestral-22b", 32768, (56, 29, 16, 9)),
    ("mistral-small-3", 8192, (53, 28, 15, 9)),
    ("mistral-small-3.2", 131072, (76, 40, 22, 13)),
    ("ministral-3-14b", 8192, (21, None, None, None)),
    ("devstral-small-2", 32768, (35, 20, 12, 9)),
    ("mixtral-8x7b", 8192, (101, 54, 27, 15)),
    ("mixtral-8x22b", 32768, (300, 155, 80, 42)),
    ("mistral-large-2", 131072, (302, 156, 80, 40)),
    ("devstral-2", 8192, (138, 72, 37, 19)),
    ("mistral-medium-3.5", 32768, (154, 81, 42, 23)),
    ("mistral-small-4", 8192, (130, 70, 36, 20)),
    ("mistral-small-4-nvfp4", 8192, (79, 44, 23, 14)),
    ("mistral-large-3", 8192, (None, None, 185, 96)),
    ("mistral-large-3-nvfp4", 8192, (None, 217, 112, 60)),
    ("mamba-codestral-7b", 8192, (16, None, None, None)),
]


@pytest.mark.parametrize(("name", "context", "needed"), NEEDED)
def test_the_need_agrees_with_another_implementation(
    name: str, context: int, needed: tuple[int | None, ...]
) -> None:
    for size, other in zip((1, 2, 4, 8), needed, strict=True):
        if other is None:
            continue
        required = plan(name, size, context).required_gib
        visible = max(required / 0.92, required + (0.6 if size == 1 else 1.6))
        assert isclose(visible, other, rel_tol=0.05, abs_tol=1.3), (size, visible)


def test_mistral_7b_lands_on_an_l4_and_never_on_a_t4() -> None:
    model = find_model("mistral-7b-instruct")
    assert memory(model, find_gpu("l4"), 1, SETTINGS).fits
    assert not memory(model, find_gpu("t4"), 1, replace(SETTINGS, max_model_len=16)).fits


def test_small_24b_lands_on_one_gpu_of_80_gb_or_two_of_40() -> None:
    model = find_model("mistral-small-24b")
    assert memory(model, find_gpu("a100-80"), 1, SETTINGS).fits
    assert memory(model, find_gpu("a100-40"), 2, SETTINGS).fits
    assert not memory(model, find_gpu("a100-40"), 1, SETTINGS).fits


def test_the_whole_context_of_small_4_does_not_fit_where_it_was_seen_to_fail() -> None:
    asked = replace(SETTINGS, max_model_len=1_048_576, gpu_memory_utilization=0.84)
    found = memory(find_model("mistral-small-4"), find_gpu("h100-nvl"), 2, asked)
    assert isclose(found.request_gib, 22.5, abs_tol=0.01)
    assert not found.fits


def test_the_latent_cache_is_whole_on_every_rank() -> None:
    model = find_model("mistral-large-3")
    one, eight = (rank_cache_layout(model, size, SETTINGS) for size in (1, 8))
    assert one.request_bytes(8192) == eight.request_bytes(8192) == 70_272 * 8192


def test_fewer_kv_heads_than_ranks_are_replicated() -> None:
    model = find_model("qwen3-235b-a22b")
    four, eight = (rank_cache_layout(model, size, SETTINGS) for size in (4, 8))
    assert four.bytes_per_token == eight.bytes_per_token


def test_an_fp8_cache_is_half_of_a_16_bit_one_but_a_state_keeps_its_size() -> None:
    halved = replace(SETTINGS, kv_cache_dtype="fp8")
    for name, ratio in (("mistral-7b-instruct", 2), ("mamba-codestral-7b", 1)):
        model = find_model(name)
        full, half = (rank_cache_layout(model, 1, each) for each in (SETTINGS, halved))
        assert full.request_bytes(8192) == ratio * half.request_bytes(8192)


def test_a_mamba_sequence_takes_132_mib_whatever_its_length() -> None:
    layout = rank_cache_layout(find_model("mamba-codestral-7b"), 1, SETTINGS)
    assert layout.request_bytes(16) == layout.request_bytes(262_144) == 138_149_888
    assert layout.requests(10 * 138_149_888 + 5, 8192) == 10


def test_a_window_stops_growing_beyond_its_width_and_the_batches_in_flight() -> None:
    model = find_model("mistral-7b-v0.1")
    layout = rank_cache_layout(model, 1, SETTINGS)
    kept = -(-(4096 - 1 + 2 * 2048) // 16) + 1
    assert layout.request_blocks(32_768) == kept
    assert layout.request_blocks(1024) == 1024 // 16 + 1


def test_version_0_19_keeps_one_batch_in_flight_and_later_ones_two() -> None:
    older = replace(SETTINGS, vllm_version="0.19.1")
    assert (older.in_flight_tokens, SETTINGS.in_flight_tokens) == (2048, 4096)


def test_layers_of_two_kinds_share_blocks_and_pad_the_last_group() -> None:
    model = find_model("mistral-7b-instruct")
    shape = replace(
        model.architecture,
        layers=62,
        attention=(
            AttentionLayers(kind="full", layers=10),
            AttentionLayers(kind="sliding_window", layers=52, window=1024),
        ),
    )
    layout = rank_cache_layout(replace(model, architecture=shape), 1, SETTINGS)
    assert layout.groups == (
        CacheGroups("full", 1, None),
        CacheGroups("sliding_window", 6, 1024),
    )


def test_layers_of_nearly_equal_number_are_padded_to_the_larger() -> None:
    model = find_model("gpt-oss-120b")
    shape = replace(
        model.architecture,
        layers=37,
        attention=(
            AttentionLayers(kind="full", layers=19),
            AttentionLayers(kind="sliding_window", layers=18, window=128),
        ),
    )
    layout = rank_cache_layout(replace(model, architecture=shape), 1, SETTINGS)
    assert [group.count for group in layout.groups] == [1, 1]
    assert layout.block_bytes == 19 * 16 * 8 * 64 * 2 * 2


def test_no_bytes_hold_no_tokens() -> None:
    layout = CacheLayout(1024, (CacheGroups("full", 1, None),), 0, 0)
    assert layout.tokens(-5.0, 8192) == 0
    assert layout.requests(-5.0, 8192) == 0


@pytest.mark.parametrize("size", ["3B", "8B", "14B"])
def test_converting_to_fp8_gives_the_bytes_of_the_published_fp8_weights(size: str) -> None:
    wide = find_model(f"mistralai/Ministral-3-{size}-Instruct-2512-BF16")
    published = find_model(f"mistralai/Ministral-3-{size}-Instruct-2512")
    assert isclose(converted_weights_bytes(wide, "fp8"), published.weights_bytes, rel_tol=1e-4)


def test_cuda_graphs_leave_the_budget_before_0_21_and_need_room_beside_it() -> None:
    model = find_model("mistral-small-24b")
    older = replace(SETTINGS, vllm_version="0.19.1", gpu_memory_utilization=0.99)
    newer = replace(SETTINGS, vllm_version="0.21.0", gpu_memory_utilization=0.99)
    before, since = (memory(model, H100, 1, each) for each in (older, newer))
    assert isclose(before.gpu_memory_utilization, 0.96)
    assert since.gpu_memory_utilization == 0.99
    graphs = since.required_gib - since.request_gib - since.weights_gib - since.activation_gib
    assert isclose(graphs, since.cuda_graph_gib + since.non_torch_gib)


def test_several_small_gpus_lower_the_utilization_to_leave_room_for_collectives() -> None:
    model, t4 = find_model("mistral-7b-instruct"), find_gpu("t4")
    one, two = (memory(model, t4, size, SETTINGS) for size in (1, 2))
    assert one.gpu_memory_utilization == 0.92
    assert isclose(two.gpu_memory_utilization, 0.89)
    assert t4.visible_gib - two.usable_gib >= 1.6


def test_latent_projections_are_whole_on_every_rank() -> None:
    model = find_model("mistral-large-3")
    shared = 61 * 7168 * (1536 + 512 + 64)
    router = 58 * 7168 * 128 * 2
    assert shared + router < replicated_bytes(model, 8) < (shared + router) * 1.2
    assert weights_bytes_per_gpu(model, 8) > (model.weights_bytes + 7 * shared) / 8


def test_the_profile_run_projects_the_context_of_a_latent_cache_up() -> None:
    model = find_model("deepseek-v3")
    short = replace(SETTINGS, max_model_len=1024, max_num_seqs=1)
    few, many = (memory(model, H100, 8, each).activation_gib for each in (short, SETTINGS))
    # 65,536 less 8,192 rows of 16 heads with 128 + 128 elements of 2 bytes.
    projected = (65_536 - 8_192) * 16 * 256 * 2 / 2**30
    assert isclose(many - few, projected, rel_tol=0.1)


def test_eager_mode_captures_no_graphs() -> None:
    model = find_model("mistral-7b-instruct")
    assert memory(model, H100, 1, replace(SETTINGS, enforce_eager=True)).cuda_graph_gib == 0


def test_an_embedding_model_runs_no_sampler() -> None:
    model = find_model("e5-mistral-7b")
    many = replace(SETTINGS, max_num_seqs=1024)
    assert memory(model, H100, 1, SETTINGS).activation_gib == (
        memory(model, H100, 1, many).activation_gib
    )


def test_a_size_that_cannot_shard_names_those_that_can() -> None:
    with pytest.raises(ValueError, match=r"tensorParallel: 3 .*take one of 1, 2, 4, 8, 16"):
        plan("mistral-7b-instruct", 3)
    with pytest.raises(ValueError, match=r"tensorParallel: 8 .*take one of 1, 2, 4$"):
        plan("voxtral-mini-3b", 8)


@pytest.mark.parametrize("version", ["0.9.2", "nightly"])
def test_an_engine_that_is_not_described_is_refused(version: str) -> None:
    with pytest.raises(ValueError, match=f"vllmVersion: '?{version}"):
        memory(find_model("mistral-7b-instruct"), H100, 1, replace(SETTINGS, vllm_version=version))


def test_every_published_line_is_predicted_within_its_bounds() -> None:
    logs, left_out = read_logs()
    comparisons = [compare(log) for log in logs]
    assert broken_bounds(comparisons) == []
    text = render(comparisons, left_out)
    assert all(item.log.id in text for item in comparisons)
    assert all(item.reason in text for item in left_out)


def test_a_line_that_is_predicted_too_roomy_breaks_the_bound() -> None:
    logs, _ = read_logs()
    (l23,) = (log for log in logs if log.id == "L23")
    tight = replace(l23, kv_cache_gib=50.0, kv_cache_tokens=None)
    (broken,) = broken_bounds([compare(tight)])
    assert broken.startswith("L23: left for the cache is over-estimated by 5.9")


def test_lines_that_are_all_predicted_too_tight_break_the_median() -> None:
    logs, _ = read_logs()
    (l23,) = (log for log in logs if log.id == "L23")
    roomy = replace(l23, kv_cache_gib=60.0, kv_cache_tokens=None)
    (broken,) = broken_bounds([compare(roomy)])
    assert broken.startswith("left for the cache is under-estimated by 4.1")
