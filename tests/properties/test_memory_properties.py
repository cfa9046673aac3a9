"""What must hold of the memory model for every model, GPU and setting."""

from dataclasses import replace
from math import isclose

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from catalog.loader import load_gpus, load_models
from catalog.records import Gpu, Model
from planning.memory import EngineSettings, MemoryPlan, memory

unhurried = settings(deadline=None)  # the machine that runs this may be busy
MODELS = st.sampled_from(load_models())
GPUS = st.sampled_from(load_gpus())
SIZES = st.sampled_from((1, 2, 4, 8))
ENGINES = st.builds(
    EngineSettings,
    max_model_len=st.integers(1, 2**20),
    vllm_version=st.sampled_from(("0.11.0", "0.19.1", "0.20.2", "0.31.0", "0.33.0")),
    max_num_seqs=st.integers(1, 1024),
    max_num_batched_tokens=st.sampled_from((512, 2048, 8192, 16384)),
    gpu_memory_utilization=st.floats(0.3, 0.99),
    kv_cache_dtype=st.sampled_from(("auto", "fp8")),
    enforce_eager=st.booleans(),
)


def planned(model: Model, gpu: Gpu, size: int, engine: EngineSettings) -> MemoryPlan:
    assume(model.allows_tensor_parallel(size))
    return memory(model, gpu, size, engine)


@unhurried
@given(MODELS, GPUS, SIZES, ENGINES)
def test_need_falls_or_stays_when_gpus_are_added(
    model: Model, gpu: Gpu, size: int, engine: EngineSettings
) -> None:
    few = planned(model, gpu, size, engine)
    assert planned(model, gpu, size * 2, engine).required_gib <= few.required_gib


@unhurried
@given(MODELS, GPUS, SIZES, ENGINES, st.integers(0, 2**18))
def test_need_rises_with_context(
    model: Model, gpu: Gpu, size: int, engine: EngineSettings, more: int
) -> None:
    short = planned(model, gpu, size, engine)
    longer = replace(engine, max_model_len=engine.max_model_len + more)
    assert memory(model, gpu, size, longer).required_gib >= short.required_gib


@unhurried
@given(MODELS, GPUS, SIZES, ENGINES, st.integers(0, 1024))
def test_need_rises_with_sequences_and_batched_tokens(
    model: Model, gpu: Gpu, size: int, engine: EngineSettings, more: int
) -> None:
    few = planned(model, gpu, size, engine)
    crowd = replace(engine, max_num_seqs=engine.max_num_seqs + more)
    batch = replace(engine, max_num_batched_tokens=engine.max_num_batched_tokens + more)
    assert memory(model, gpu, size, crowd).required_gib >= few.required_gib
    assert memory(model, gpu, size, batch).required_gib >= few.required_gib


@unhurried
@given(MODELS, GPUS, SIZES, ENGINES, st.floats(1.0, 4.0))
def test_need_rises_with_parameters(
    model: Model, gpu: Gpu, size: int, engine: EngineSettings, factor: float
) -> None:
    larger = replace(
        model,
        parameters=int(model.parameters * factor),
        weights_bytes=int(model.weights_bytes * factor),
    )
    few = planned(model, gpu, size, engine).required_gib
    assert memory(larger, gpu, size, engine).required_gib >= few


@unhurried
@given(MODELS, GPUS, SIZES, ENGINES)
def test_the_parts_add_up_and_fitting_is_their_comparison(
    model: Model, gpu: Gpu, size: int, engine: EngineSettings
) -> None:
    found = planned(model, gpu, size, engine)
    beside = found.required_gib - found.request_gib
    assert isclose(beside + found.kv_cache_gib, found.usable_gib, abs_tol=1e-6)
    assert found.fits == (found.request_gib <= found.kv_cache_gib)
    assert found.usable_gib <= engine.gpu_memory_utilization * gpu.visible_gib + 1e-9


@unhurried
@given(MODELS, GPUS, SIZES, ENGINES)
def test_weights_are_counted_in_gib_and_never_in_gb(
    model: Model, gpu: Gpu, size: int, engine: EngineSettings
) -> None:
    found = planned(model, gpu, size, engine)
    least = model.weights_bytes / size / 2**30
    assert found.weights_gib >= least
    if size == 1:  # GB would be 7 % more; MXFP4 is padded by 8.6 %
        assert found.weights_gib <= least * (1.09 if model.quantization == "mxfp4" else 1.01)


@unhurried
@given(MODELS, GPUS, SIZES, ENGINES)
def test_the_longest_context_that_fits_fits_and_no_longer_one_does(
    model: Model, gpu: Gpu, size: int, engine: EngineSettings
) -> None:
    longest = planned(model, gpu, size, engine).max_model_len_that_fits
    if longest:
        assert memory(model, gpu, size, replace(engine, max_model_len=longest)).fits
    if longest + 16 <= model.architecture.max_position_embeddings:
        longer = replace(engine, max_model_len=longest + 16)
        assert not memory(model, gpu, size, longer).fits


@unhurried
@given(MODELS, GPUS, SIZES, ENGINES)
def test_what_fits_holds_a_whole_request_and_its_tokens(
    model: Model, gpu: Gpu, size: int, engine: EngineSettings
) -> None:
    found = planned(model, gpu, size, engine)
    if found.fits:
        assert found.max_concurrency >= 1
        assert found.kv_cache_tokens >= engine.max_model_len


@unhurried
@given(MODELS, GPUS, SIZES, ENGINES)
def test_less_memory_never_fits_more(
    model: Model, gpu: Gpu, size: int, engine: EngineSettings
) -> None:
    found = planned(model, gpu, size, engine)
    smaller = memory(model, replace(gpu, visible_gib=gpu.visible_gib * 0.9), size, engine)
    assert smaller.kv_cache_gib <= found.kv_cache_gib
    assert smaller.max_model_len_that_fits <= found.max_model_len_that_fits


@unhurried
@given(MODELS, GPUS, SIZES, ENGINES)
def test_the_same_input_gives_the_same_plan(
    model: Model, gpu: Gpu, size: int, engine: EngineSettings
) -> None:
    assert planned(model, gpu, size, engine) == memory(model, gpu, size, replace(engine))
