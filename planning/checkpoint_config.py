"""The config of a checkpoint under one set of key names, whoever wrote it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from planning.checkpoint import CONFIG, MISTRAL_CONFIG, Checkpoint, Json, UnsupportedModelError

DEFAULT_POSITIONS = 128_000
"""What vLLM assumes for a params.json without a length (transformers_utils/configs/mistral.py)."""

_RENAMED = {
    "dim": "hidden_size",
    "hidden_dim": "intermediate_size",
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
    "n_kv_heads": "num_key_value_heads",
    "tied_embeddings": "tie_word_embeddings",
    "quantization": "quantization_config",
}
_RENAMED_EXPERTS = {
    "num_experts": "n_routed_experts",
    "num_experts_per_tok": "num_experts_per_tok",
    "expert_hidden_dim": "moe_intermediate_size",
    "num_shared_experts": "n_shared_experts",
    "first_k_dense_replace": "first_k_dense_replace",
}
_RENAMED_ENCODER = {
    "dim": "hidden_size",
    "hidden_dim": "intermediate_size",
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
}


@dataclass(frozen=True, slots=True)
class Config:
    """A mapping of a config file, and whose it is for the messages."""

    model: str
    file: str
    values: Json

    def integer(self, *names: str) -> int:
        """The first of these keys that holds a whole number.

        Raises:
            UnsupportedModelError: none does.
        """
        found = self.optional(*names)
        if found is None:
            raise UnsupportedModelError(
                self.model,
                f"{self.file} does not state {names[0]}, which the memory model needs",
                "write a record for it in catalog/models.yaml, or choose another model",
            )
        return found

    def optional(self, *names: str) -> int | None:
        """The first of these keys that holds a whole number, or None."""
        for name in names:
            value = self.values.get(name)
            if isinstance(value, int) and not isinstance(value, bool):
                return value
        return None

    def texts(self, name: str) -> tuple[str, ...]:
        """The texts of a list; empty where there is no list."""
        value = self.values.get(name)
        items = cast("list[object]", value) if isinstance(value, list) else []
        return tuple(item for item in items if isinstance(item, str))

    def part(self, *names: str) -> "Config | None":
        """The first of these keys that holds a mapping, or None."""
        for name in names:
            value = self.values.get(name)
            if isinstance(value, Mapping) and value:
                return Config(self.model, self.file, cast("Json", value))
        return None


def config_of(checkpoint: Checkpoint) -> Config:
    """The config that vLLM reads with the weights it loads, in the key names of transformers.

    Source of the key names: vLLM 0.33, `transformers_utils/configs/mistral.py`.

    Raises:
        UnsupportedModelError: there is none.
    """
    # Mistral's own file for Mamba leaves out the state's size, and vLLM reads the other one.
    is_mamba = (checkpoint.params or {}).get("model_type") == "mamba"
    if checkpoint.weights.format == "mistral" and checkpoint.params is not None and not is_mamba:
        values = _renamed_params(checkpoint.params, checkpoint.config or {})
        return Config(checkpoint.model, MISTRAL_CONFIG, values)
    if checkpoint.config is not None:
        return Config(checkpoint.model, CONFIG, checkpoint.config)
    raise UnsupportedModelError(
        checkpoint.model,
        "it has neither config.json nor params.json with consolidated*.safetensors",
        "choose a repository in the format of transformers or of Mistral",
    )


def _renamed_params(params: Json, config: Json) -> Json:
    values: dict[str, object] = {_RENAMED.get(name, name): value for name, value in params.items()}
    values["max_position_embeddings"] = _positions(params, config)
    experts = _mapping(params.get("moe"))
    values |= {_RENAMED_EXPERTS[n]: value for n, value in experts.items() if n in _RENAMED_EXPERTS}
    multimodal = _mapping(params.get("multimodal"))
    vision = _mapping(params.get("vision_encoder") or multimodal.get("vision_encoder_args"))
    audio = _mapping(_mapping(multimodal.get("whisper_model_args")).get("encoder_args"))
    if vision:
        values["vision_config"] = vision
    if audio:
        values["audio_config"] = {_RENAMED_ENCODER.get(n, n): v for n, v in audio.items()}
    windows = params.get("sliding_window")
    if isinstance(windows, list) and windows:
        values |= _interleaved(cast("list[int | None]", windows), params.get("n_layers"))
    values["architectures"] = [_architecture(experts, vision, audio)]
    return values


def _positions(params: Json, config: Json) -> object:
    text = _mapping(config.get("text_config")) or config
    stated = params.get("max_position_embeddings") or params.get("max_seq_len")
    return stated or text.get("max_position_embeddings") or DEFAULT_POSITIONS


def _interleaved(windows: list[int | None], layers: object) -> dict[str, object]:
    count = layers if isinstance(layers, int) else len(windows)
    pattern = (windows * count)[:count]
    kinds = ["full_attention" if window is None else "sliding_attention" for window in pattern]
    return {
        "layer_types": kinds,
        "sliding_window": next((window for window in windows if window), None),
    }


def _architecture(experts: Json, vision: Json, audio: Json) -> str:
    if vision:
        return "PixtralForConditionalGeneration"
    if audio:
        streams = audio.get("causal") is True
        return "VoxtralRealtimeGeneration" if streams else "VoxtralForConditionalGeneration"
    if experts.get("num_shared_experts"):
        return "MistralLarge3ForCausalLM"
    return "MixtralForCausalLM" if experts else "MistralForCausalLM"


def _mapping(value: object) -> Json:
    return cast("Json", value) if isinstance(value, Mapping) else {}
