"""A model's checkpoint as it lies in a repository or folder: weight set, tensors, config."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, cast

WeightFormat = Literal["mistral", "safetensors", "pytorch"]

Json = Mapping[str, object]

CONFIG = "config.json"
MISTRAL_CONFIG = "params.json"
SAFETENSORS_INDEX = "model.safetensors.index.json"
MISTRAL_INDEX = "consolidated.safetensors.index.json"

_SHARD = re.compile(r"(?P<prefix>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.safetensors")

_NOT_WEIGHTS = frozenset(
    {"training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.pt", "scaler.pt"}
)
"""Left behind by training; vLLM passes over them (model_loader/weight_utils.py, 0.33)."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a safetensors header, with the offsets of its data in the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offsets: tuple[int, int]

    @property
    def size(self) -> int:
        """Bytes as stored."""
        return self.offsets[1] - self.offsets[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSet:
    """The files that vLLM reads of a repository that may hold the weights several times."""

    format: WeightFormat
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a repository says of a model at one commit.

    `size` is the bytes of the weight set's files, which is what a download costs; `tensors` is
    empty where the files have no readable header. `gated` and `private` are the repository's.
    """

    model: str
    commit: str | None
    weights: WeightSet
    size: int
    tensors: tuple[Tensor, ...]
    config: Json | None
    params: Json | None
    gated: bool
    private: bool
    has_chat_template: bool
    pipeline_tag: str | None = None
    license: str | None = None


class UnsupportedModelError(Exception):
    """vLLM, or this program's memory model, cannot serve the checkpoint.

    The message says what is `wrong`, then the `remedy`.
    """

    def __init__(self, model: str, reason: str, remedy: str) -> None:
        self.model = model
        self.wrong = f"model '{model}' is not supported: {reason}"
        self.remedy = remedy
        super().__init__(f"{self.wrong}; {remedy}")


def needed_index(names: Collection[str]) -> str | None:
    """The index that has to be read to tell which safetensors files belong to the model, if any.

    It does not have to be read for a whole set of shards of one name, or for a single file; the
    index of a large mixture of experts is several MB.
    """
    consolidated = _mistral_files(names)
    index = MISTRAL_INDEX if consolidated else SAFETENSORS_INDEX
    found = consolidated or _at_root(names, ".safetensors")
    shards = [_SHARD.fullmatch(name) for name in found]
    sets = {(shard["prefix"], int(shard["count"])) for shard in shards if shard}
    is_whole_set = all(shards) and len(sets) == 1 and len(found) == next(iter(sets))[1]
    return index if index in names and len(found) > 1 and not is_whole_set else None


def indexed_files(index: Json | None) -> frozenset[str] | None:
    """The files that a safetensors index names; None without an index."""
    weight_map = index.get("weight_map") if index else None
    if not isinstance(weight_map, dict):
        return None
    return frozenset(str(name) for name in cast("dict[str, object]", weight_map).values())


def weight_set(
    model: str, names: Collection[str], indexed: Collection[str] | None = None
) -> WeightSet:
    """The files vLLM loads with every format flag left on `auto`.

    Mistral's own `consolidated*.safetensors` when `params.json` is there as well, otherwise the
    safetensors files that the index names, otherwise PyTorch pickles. Files in folders, such as
    `original/` or `metal/`, are never loaded.

    Source: vLLM 0.33, `model_executor/model_loader/default_loader.py`, `_prepare_weights`.

    Raises:
        UnsupportedModelError: the repository holds no weights that vLLM loads by itself.
    """
    if mistral := _mistral_files(names):
        kept = tuple(name for name in mistral if indexed is None or name in indexed)
        return WeightSet(format="mistral", files=kept)
    found = _at_root(names, ".safetensors")
    if indexed is not None:
        found = tuple(name for name in found if name in indexed)
    elif len(found) > 1:
        found = tuple(n for n in found if not n.startswith("consolidated")) or found
    if found and "adapter_config.json" in names and CONFIG not in names:
        raise UnsupportedModelError(
            model, "it is a LoRA adapter without a base model", "name the base model instead"
        )
    if found:
        return WeightSet(format="safetensors", files=found)
    if pickles := tuple(n for n in _at_root(names, ".bin") if n not in _NOT_WEIGHTS):
        return WeightSet(format="pytorch", files=pickles)
    raise UnsupportedModelError(model, _without_weights(names), "choose a safetensors repository")


def has_chat_template(names: Collection[str], tags: Collection[str], described: Json) -> bool:
    """Whether the files or the Hub's own reading of them (`described`) show a chat template."""
    if "conversational" in tags or {"chat_template.jinja", "chat_template.json"} & set(names):
        return True
    tokenizer = described.get("tokenizer_config")
    return isinstance(tokenizer, dict) and "chat_template" in tokenizer


def license_tag(tags: Collection[str]) -> str | None:
    """The licence that the model card names, as the Hub repeats it in the tags."""
    named = [tag.removeprefix("license:") for tag in tags if tag.startswith("license:")]
    return named[0] if named else None


def _mistral_files(names: Collection[str]) -> tuple[str, ...]:
    if MISTRAL_CONFIG not in names:
        return ()
    return tuple(n for n in _at_root(names, ".safetensors") if n.startswith("consolidated"))


def _at_root(names: Collection[str], suffix: str) -> tuple[str, ...]:
    return tuple(sorted(name for name in names if "/" not in name and name.endswith(suffix)))


def _without_weights(names: Collection[str]) -> str:
    if any(name.endswith(".gguf") for name in names):
        return "it holds GGUF files only, which vLLM does not load from a repository id"
    return "it holds no *.safetensors or *.bin file at its top level"
