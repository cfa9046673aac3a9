"""What must hold of the choice for every catalogue model, GPU kind, number of GPUs and price."""

import itertools
import random
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.loader import find_model, load_gpus, load_models
from catalog.records import Model
from planning.errors import PlanError
from planning.explain import preview_lines
from planning.fit import LEAST_CONTEXT, Candidate
from planning.memory import memory
from planning.overrides import Overrides
from planning.presets import choose, evaluate
from planning.stack import make_plan
from settings.models import Preset
from tests.choices import COUNTS, GPUS, preset, stack_settings

unhurried = settings(deadline=None, max_examples=40)
MODELS = st.sampled_from(load_models())
ALL_PRESETS = [preset(gpu.key, gpus) for gpu in load_gpus() for gpus in COUNTS]
PRICED = st.lists(
    st.tuples(st.sampled_from(ALL_PRESETS), st.sampled_from((0.0, 0.5, 1.0, 2.0, 4.0))),
    min_size=1,
    max_size=12,
    unique_by=lambda pair: pair[0].name,
).map(lambda pairs: [one.model_copy(update={"price_per_hour": price}) for one, price in pairs])


@cache
def every(name: str) -> tuple[Candidate, ...]:
    return evaluate(find_model(name), ALL_PRESETS, gpus=GPUS)


def fitting(model: Model) -> list[Candidate]:
    return [found for found in every(model.id) if found.fits]


@pytest.mark.parametrize("model", load_models(), ids=lambda model: model.name)
def test_what_fits_needs_no_more_than_vllm_sees(model: Model) -> None:
    assert len(every(model.id)) == len(ALL_PRESETS)
    for found in fitting(model):
        gpu, sized = found.settled()
        assert sized.memory.required_gib <= sized.memory.usable_gib <= gpu.visible_gib
        # Weights and one request, counted once more without the memory model's own sums.
        whole = model.weights_bytes / 2**30 / sized.tensor_parallel
        assert whole < sized.memory.usable_gib


@pytest.mark.parametrize("model", load_models(), ids=lambda model: model.name)
def test_what_fits_runs_on_a_valid_number_of_ranks_with_types_the_gpu_has(model: Model) -> None:
    for found in fitting(model):
        gpu, sized = found.settled()
        assert sized.tensor_parallel <= found.preset.gpus
        assert model.allows_tensor_parallel(sized.tensor_parallel)
        assert gpu.runs(model.quantization)
        assert model.dtype in gpu.dtypes or "--dtype" in gpu.vllm_args


@pytest.mark.parametrize("model", load_models(), ids=lambda model: model.name)
def test_an_unasked_context_is_whole_or_the_longest_that_fits(model: Model) -> None:
    advised = model.recommended.context
    for found in fitting(model):
        gpu, sized = found.settled()
        length = sized.engine.max_model_len
        assert min(LEAST_CONTEXT, advised) <= length <= advised
        if length < advised:
            assert length % 1024 == 0
            longer = replace(sized.engine, max_model_len=min(length + 1024, advised))
            assert not memory(model, gpu, sized.tensor_parallel, longer).fits


@pytest.mark.parametrize("model", load_models(), ids=lambda model: model.name)
def test_what_does_not_fit_says_what_is_missing(model: Model) -> None:
    for found in every(model.id):
        if found.fits:
            continue
        assert found.refusal
        if found.sized:
            assert f"lacks {found.sized.lacking_gib:.1f} GiB per GPU" in found.refusal
            assert found.sized.lacking_gib > 0


@pytest.mark.parametrize("model", load_models(), ids=lambda model: model.name)
def test_more_gpus_of_a_kind_never_fit_less(model: Model) -> None:
    fits = {found.preset.name: found.fits for found in every(model.id)}
    for gpu in load_gpus():
        for few, many in itertools.pairwise(COUNTS):
            assert fits[f"{gpu.key}-{few}"] <= fits[f"{gpu.key}-{many}"]


@unhurried
@given(MODELS, PRICED)
def test_the_choice_costs_no_more_than_any_other_that_fits(
    model: Model, presets: list[Preset]
) -> None:
    alone = [one for one in presets if fits_alone(model, one)]
    if not alone:
        with pytest.raises(PlanError):
            choose(model, presets, gpus=GPUS)
        return
    found = choose(model, presets, gpus=GPUS).chosen
    assert found.preset in alone
    assert found.preset.price_per_hour == min(one.price_per_hour for one in alone)
    as_cheap = [one for one in alone if one.price_per_hour == found.preset.price_per_hour]
    assert found.preset.gpus == min(one.gpus for one in as_cheap)


def fits_alone(model: Model, one: Preset) -> bool:
    return evaluate(model, [one], gpus=GPUS)[0].fits


@unhurried
@given(MODELS, PRICED, st.randoms(use_true_random=False))
def test_the_plan_is_byte_identical_under_a_shuffled_preset_list(
    model: Model, presets: list[Preset], shuffler: random.Random
) -> None:
    other = list(presets)
    shuffler.shuffle(other)
    assert outcome(model, presets) == outcome(model, other)


def outcome(model: Model, presets: list[Preset]) -> str:
    try:
        plan = make_plan(stack_settings(presets, model=model.id), stack="dev")
    except PlanError as error:
        return str(error)
    return "\n".join([repr(plan), *preview_lines(plan)])


@unhurried
@given(MODELS, PRICED, st.integers(1, 2**18))
def test_an_asked_context_is_served_whole_or_refused(
    model: Model, presets: list[Preset], context: int
) -> None:
    asked = Overrides(max_model_len=context)
    try:
        found = choose(model, presets, gpus=GPUS, overrides=asked).chosen
    except PlanError:
        return
    assert found.settled()[1].engine.max_model_len == context


@unhurried
@given(MODELS, PRICED, st.integers(1, 2048), st.integers(1, 32768))
def test_a_batch_holds_a_token_of_each_sequence(
    model: Model, presets: list[Preset], sequences: int, tokens: int
) -> None:
    for asked in (Overrides(max_num_seqs=sequences), Overrides(max_num_batched_tokens=tokens)):
        for found in evaluate(model, presets, gpus=GPUS, overrides=asked):
            if found.sized:
                engine = found.sized.engine
                assert 1 <= engine.max_num_seqs <= engine.max_num_batched_tokens


@unhurried
@given(
    PRICED, st.sampled_from([model for model in load_models() if model.architecture.state_space])
)
def test_every_sequence_of_a_state_space_model_has_its_state(
    presets: list[Preset], model: Model
) -> None:
    for found in evaluate(model, presets, gpus=GPUS):
        if found.fits:
            sized = found.settled()[1]
            assert sized.engine.max_num_seqs <= sized.memory.max_concurrency


@unhurried
@given(PRICED)
def test_force_never_changes_a_choice_that_fits(presets: list[Preset]) -> None:
    model = find_model("mistral-small-3.2")
    try:
        plain = choose(model, presets, gpus=GPUS)
    except PlanError:
        return
    assert choose(model, presets, gpus=GPUS, overrides=Overrides(force=True)) == plain
