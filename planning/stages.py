"""What one pipeline stage holds of a model whose layers are spread over several nodes."""

from __future__ import annotations

from dataclasses import replace

from catalog.flags import load_flags
from catalog.records import Architecture, AttentionLayers, Gpu, Model
from planning.multi_node import NEEDED_FLAGS
from planning.overrides import Overrides, served_release
from planning.weights import linear_parameters


def largest_stage(model: Model, stages: int) -> Model:
    """Give the model that the fullest of so many pipeline stages holds, as a model of its own.

    An upper bound: the stage has the most layers that vLLM puts on one (get_pp_indices in
    vllm/distributed/utils.py), all of them as large as a layer with experts, and beside them the
    embeddings, the output head and the encoder, which really lie on the first stage and the last.
    Where layers with experts and without alternate (Llama 4 Maverick), the bound is far too high.
    Not counted: batches in flight beyond two, which more stages keep for layers with a window.
    """
    shape = model.architecture
    layers = _ceil(shape.layers, stages)
    decoder = linear_parameters(model)
    others = model.parameters - decoder
    # Layers before the experts are smaller, so the others hold more than their share.
    large = shape.layers - (shape.experts.dense_layers if shape.experts else 0)
    share = min(1.0, layers / large)
    other_bytes = min(others * 2, model.weights_bytes)
    return replace(
        model,
        parameters=others + round(decoder * share),
        weights_bytes=other_bytes + round((model.weights_bytes - other_bytes) * share),
        architecture=replace(
            shape,
            layers=layers,
            attention=_attention(shape, layers, stages),
            experts=replace(shape.experts, dense_layers=0) if shape.experts else None,
        ),
    )


def _attention(shape: Architecture, layers: int, stages: int) -> tuple[AttentionLayers, ...]:
    """Share each kind of attention out; kinds that alternate may come out uneven by one layer."""
    spare = 1 if len(shape.attention) > 1 else 0
    return tuple(
        replace(found, layers=min(found.layers, layers, _ceil(found.layers, stages) + spare))
        for found in shape.attention
    )


def stage_refusal(model: Model, gpu: Gpu, overrides: Overrides, nodes: int) -> str | None:
    """Give the reason why a model cannot run over so many nodes whatever its memory; else None.

    That vLLM's class of the model supports pipeline parallel is assumed for attention alone
    (Mistral's and DeepSeek's do: SupportsPP in vllm/model_executor/models, 0.31.0).
    """
    if model.architecture.state_space or model.task == "embedding":
        return "is planned over several nodes for generating models with attention only"
    if model.architecture.layers < nodes:
        return f"has fewer layers than {nodes} nodes"
    flags = load_flags(served_release(gpu, overrides))
    missing = [flag for flag in NEEDED_FLAGS if flag not in flags.kinds]
    if missing:
        return f"vLLM {flags.version} has no {missing[0]}, which several nodes need"
    return None


def _ceil(value: int, parts: int) -> int:
    return -(-value // parts)
