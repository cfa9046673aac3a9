"""What must hold of a model over several nodes, for every catalogue model that may run so."""

import pytest

from catalog.loader import load_models
from catalog.records import Model
from planning.fit import candidates
from planning.overrides import Overrides
from planning.stages import largest_stage, stage_refusal
from tests.choices import GPUS, preset

ASKED = Overrides(max_nodes=8)
H100 = (preset("h100-80", 8), GPUS["h100-80"])
MODELS = [model for model in load_models() if not stage_refusal(model, H100[1], ASKED, 2)]


def test_most_models_may_run_over_several_nodes() -> None:
    assert len(MODELS) > len(load_models()) / 2


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_need_of_a_rank_falls_with_the_nodes_and_stays_above_an_even_share(
    model: Model,
) -> None:
    before = float("inf")
    asked = Overrides(max_model_len=8192)
    for nodes in (1, 2, 4, 8):
        _, sized = candidates(model, [H100], asked, nodes=nodes)[0].settled()
        share = model.weights_bytes / (nodes * sized.tensor_parallel) / 2**30
        assert share <= sized.memory.weights_gib
        assert sized.memory.required_gib < before
        before = sized.memory.required_gib


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
@pytest.mark.parametrize("stages", [2, 3, 5])
def test_the_stages_together_hold_every_layer_and_no_stage_more_than_the_model(
    model: Model, stages: int
) -> None:
    stage = largest_stage(model, stages)
    whole, part = model.architecture, stage.architecture
    assert whole.layers <= part.layers * stages
    for group, shared in zip(whole.attention, part.attention, strict=True):
        assert group.layers <= shared.layers * stages
        assert shared.layers <= part.layers
    assert model.weights_bytes <= stage.weights_bytes * stages
    assert stage.weights_bytes <= model.weights_bytes
