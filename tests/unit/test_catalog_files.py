"""The committed catalogue: whole, exact, readable, quick."""

import time
from itertools import pairwise

import pytest
import yaml

from catalog.loader import GPUS_FILE, MODELS_FILE, find_gpu, load_gpus, load_models
from catalog.reading import record
from catalog.records import Model
from catalog.rendering import render_model

# Totals published in safetensors headers or on the Hub, each from a source that is not arithmetic.
PUBLISHED = {
    "mistralai/Mistral-7B-v0.1": 7_241_732_096,
    "mistralai/Mistral-7B-Instruct-v0.3": 7_248_023_552,
    "mistralai/Mistral-Nemo-Instruct-2407": 12_247_782_400,
    "mistralai/Ministral-8B-Instruct-2410": 8_019_808_256,
    "mistralai/Mistral-Small-24B-Instruct-2501": 23_572_403_200,
    "mistralai/Mistral-Small-3.1-24B-Instruct-2503": 24_011_361_280,
    "mistralai/Mistral-Large-Instruct-2411": 122_610_069_504,
    "mistralai/Ministral-3-3B-Instruct-2512": 3_849_090_048,
    "mistralai/Ministral-3-8B-Reasoning-2512": 8_918_026_240,
    "mistralai/Ministral-3-14B-Reasoning-2512": 13_945_031_680,
    "mistralai/Pixtral-12B-2409": 12_682_739_712,
    "meta-llama/Llama-3.1-8B-Instruct": 8_030_261_248,
    "meta-llama/Llama-3.1-70B-Instruct": 70_553_706_496,
}
BY_ID = {model.id: model for model in load_models()}


@pytest.mark.parametrize("model_id", PUBLISHED)
def test_the_parameters_of_a_dense_model_follow_from_its_shape_to_the_digit(model_id: str) -> None:
    shape = BY_ID[model_id].architecture
    heads = shape.heads * shape.head_dim
    attention = shape.hidden * (2 * heads + 2 * shape.kv_heads * shape.head_dim)
    layer = attention + 3 * shape.hidden * shape.intermediate + 2 * shape.hidden
    embeddings = shape.vocabulary * shape.hidden * (1 if shape.tied_embeddings else 2)
    encoder = shape.encoder.parameters if shape.encoder else 0
    total = shape.layers * layer + embeddings + shape.hidden + encoder
    assert total == BY_ID[model_id].parameters == PUBLISHED[model_id]


def test_a_16_bit_model_takes_two_bytes_for_each_parameter() -> None:
    for model in load_models():
        if model.quantization == "none":
            assert model.weights_bytes == 2 * model.parameters, model.id


@pytest.mark.parametrize(
    ("name", "revision"),
    [
        ("mistralai/Mistral-7B-Instruct-v0.3", "e0bc86c23ce5aae1db576c8cca6f06f1f73af2db"),
        ("mistralai/Mistral-7B-v0.1", "27d67f1b5f57dc0953326b2601d68371d40ea8da"),
        ("mistralai/Mistral-7B-Instruct-v0.1", "ec5deb64f2c6e6fa90c1abf74a91d5c93a9669ca"),
    ],
)
def test_a_revision_is_the_commit_that_public_sources_name(name: str, revision: str) -> None:
    assert BY_ID[name].revision == revision


def test_the_file_is_what_rendering_its_records_gives_sorted_by_id() -> None:
    blocks = MODELS_FILE.read_text().split("\nmodels:\n", 1)[1]
    assert blocks == "\n".join(render_model(model) for model in load_models())
    assert all(one.id < other.id for one, other in pairwise(load_models()))


def test_a_rendered_record_reads_back_equal() -> None:
    for model in load_models():
        (item,) = yaml.safe_load(render_model(model))
        assert record(Model, item, "test") == model


def test_a_model_that_cannot_chat_has_no_tool_or_reasoning_parser() -> None:
    for model in load_models():
        if model.task != "chat":
            assert not {"--tool-call-parser", "--reasoning-parser"} & set(model.vllm_args), model.id


def test_a_model_whose_tokenizer_is_code_of_its_repository_may_run_it() -> None:
    assert "--trust-remote-code" in BY_ID["moonshotai/Kimi-K2-Instruct"].vllm_args


def test_a_base_model_without_a_chat_template_completes() -> None:
    assert BY_ID["mistralai/Mistral-7B-v0.3"].task == "completion"
    assert BY_ID["mistralai/Ministral-3-8B-Base-2512"].task == "completion"
    assert BY_ID["mistralai/Mistral-7B-Instruct-v0.3"].task == "chat"


def test_visible_memory_is_below_what_is_marketed() -> None:
    marketed_gb = {"t4": 16, "l4": 24, "a100-80": 80, "h100-80": 80, "h200": 141, "mi300x": 192}
    for key, marketed in marketed_gb.items():
        assert 0.9 * marketed < find_gpu(key).visible_gib < marketed


def test_v100_takes_the_last_image_that_has_its_kernels_and_says_so() -> None:
    for key in ("v100-16", "v100-32"):
        gpu = find_gpu(key)
        assert gpu.image.reference == "vllm/vllm-openai:v0.19.1"
        assert gpu.vllm_newest == gpu.image.vllm_version == "0.19.1"
        assert gpu.vllm_args == ("--dtype", "half")
        assert gpu.warning is not None
        assert not gpu.runs("fp8")
        assert not gpu.runs("awq")


def test_no_gpu_below_capability_8_claims_bfloat16() -> None:
    for gpu in load_gpus():
        if gpu.compute_capability is not None:
            assert ("bfloat16" in gpu.dtypes) == (gpu.compute_capability >= (8, 0)), gpu.key


def test_each_vendor_has_its_own_resource_and_image() -> None:
    expected = {
        "nvidia": ("nvidia.com/gpu", "vllm/vllm-openai"),
        "amd": ("amd.com/gpu", "vllm/vllm-openai-rocm"),
    }
    for gpu in load_gpus():
        assert (gpu.resource_name, gpu.image.repository) == expected[gpu.vendor], gpu.key


def test_loading_both_files_is_quick_enough_for_every_preview() -> None:
    """Little more than libyaml needs for them, which is 20 ms; without it they take 150 ms."""
    ratios: list[float] = []
    for _ in range(3):
        load_models.cache_clear()
        load_gpus.cache_clear()
        start = time.process_time()
        load_models()
        load_gpus()
        loaded = time.process_time()
        for file in (MODELS_FILE, GPUS_FILE):
            yaml.load(file.read_text(), Loader=yaml.CSafeLoader)
        ratios.append((loaded - start) / (time.process_time() - loaded))
    assert min(ratios) < 3
