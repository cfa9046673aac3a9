"""A catalogue record of a model from its checkpoint."""

import re

from catalog.records import Model, Recommendation, Task
from planning.checkpoint import Checkpoint, UnsupportedModelError
from planning.checkpoint_architecture import architecture
from planning.checkpoint_config import Config, config_of
from planning.checkpoint_quantization import quantization, scaling_block
from planning.checkpoint_weights import weights_of

HUB_SOURCE = "hub"
"""The key under `sources` in models.yaml for facts that were read from the repository itself."""

_POOLING = ("--runner", "pooling")


def model_of(checkpoint: Checkpoint) -> Model:
    """The record that the catalogue would hold of this checkpoint.

    `weights_bytes` and `parameters` are exact where the tensors' headers are there, otherwise
    estimated from the files' sizes, and then the confidence is low.

    Raises:
        UnsupportedModelError: the architecture, its caches, its quantisation or a key of its
            config is not one that the memory model knows.
    """
    config = config_of(checkpoint)
    method = quantization(config)
    weights = weights_of(checkpoint, config, method)
    shape = architecture(config, weights.encoder_parameters)
    task = _task(checkpoint, config)
    return Model(
        id=checkpoint.model,
        short_names=(_short_name(checkpoint.model),),
        revision=checkpoint.commit,
        license=checkpoint.license or "unknown",
        gated=checkpoint.gated,
        task=task,
        dtype=weights.dtype,
        quantization=method,
        quantization_block=scaling_block(config) if method == "fp8" else None,
        parameters=weights.parameters,
        weights_bytes=weights.loaded_bytes,
        files_bytes=checkpoint.size,
        weight_format="mistral" if config.file == "params.json" else "hf",
        architecture=shape,
        recommended=Recommendation(context=shape.max_position_embeddings),
        vllm_args=_POOLING if task == "embedding" else (),
        harmony="GptOssForCausalLM" in (config.texts("architectures") or ()),
        sources=(HUB_SOURCE,),
        confidence="high" if weights.is_counted else "low",
        notes=() if weights.is_counted else ("size from the files: no safetensors header",),
    )


def _short_name(model: str) -> str:
    return model.rpartition("/")[2].lower()


def _task(checkpoint: Checkpoint, config: Config) -> Task:
    named = (config.texts("architectures") or ("",))[0]
    if named.endswith(("Classification", "RewardModel")):
        raise UnsupportedModelError(
            checkpoint.model,
            f"{named} answers neither chats nor completions",
            "choose a generating or an embedding model",
        )
    if checkpoint.pipeline_tag in ("feature-extraction", "sentence-similarity"):
        return "embedding"
    if re.fullmatch(r".*[a-z0-9]Model", named):
        return "embedding"
    if checkpoint.pipeline_tag == "automatic-speech-recognition":
        return "transcription"
    # Mistral's tokenizer brings the chat format along, so only the name tells a base model.
    is_base = "base" in re.split(r"[-_.]", _short_name(checkpoint.model))
    speaks_mistral = config.file == "params.json" and not is_base
    return "chat" if checkpoint.has_chat_template or speaks_mistral else "completion"
