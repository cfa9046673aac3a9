"""Checkpoints as they are read from the Hub, with a config and tensors to choose."""

from dataclasses import replace
from typing import Any

from planning.checkpoint import Checkpoint, Tensor, WeightSet
from tests.hub.checkpoints import (
    MISTRAL_7B_CONFIG,
    Tensors,
    mistral_7b,
)
from tests.hub.repositories import BYTES_PER_ELEMENT


def stored(tensors: Tensors) -> tuple[Tensor, ...]:
    found: list[Tensor] = []
    for name, (dtype, shape) in tensors.items():
        size = BYTES_PER_ELEMENT[dtype]
        for dimension in shape:
            size *= dimension
        found.append(Tensor(name, dtype, shape, (0, size)))
    return tuple(found)


def hf(config: dict[str, Any], tensors: Tensors | None = None, **facts: Any) -> Checkpoint:
    made = Checkpoint(
        model="acme/model",
        commit="c" * 40,
        weights=WeightSet(format="safetensors", files=("model.safetensors",)),
        size=14_000_000_000,
        tensors=stored(mistral_7b() if tensors is None else tensors),
        config=config,
        params=None,
        gated=False,
        private=False,
        has_chat_template=True,
    )
    return replace(made, **facts)


def mistral(params: dict[str, Any], tensors: Tensors | None = None, **facts: Any) -> Checkpoint:
    weights = WeightSet(format="mistral", files=("consolidated.safetensors",))
    return replace(
        hf({}, tensors), **{"config": None, "params": params, "weights": weights} | facts
    )


def config(**changed: Any) -> dict[str, Any]:
    return {**MISTRAL_7B_CONFIG, **changed}
