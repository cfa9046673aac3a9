"""Models and a preset of which a choice is easily foretold, and how one is refused."""

import pytest

from planning.errors import PlanError
from planning.presets import Choice
from settings.models import Preset
from tests.choices import chosen, only, preset

SMALL = "mistral-small-3.2"
SEVEN = "mistral-7b-instruct"
TIGHT = [preset("rtx5090", 2)]
"""Holds Small 3.2 with 35,840 tokens of its 131,072, or 72,704 with an FP8 cache."""


def refusal(model: str, presets: list[Preset], **asked: object) -> str:
    with pytest.raises(PlanError) as caught:
        chosen(model, presets, **asked)
    return str(only(caught.value.mistakes))


def where(choice: Choice) -> tuple[str, int, int]:
    sized = choice.chosen.settled()[1]
    return choice.chosen.preset.name, sized.tensor_parallel, sized.engine.max_model_len
