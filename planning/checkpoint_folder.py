"""Read a checkpoint from a local folder, of which the headers of the weights are enough."""

import json
from pathlib import Path
from typing import cast

from planning import checkpoint
from planning.checkpoint import Checkpoint, Json, Tensor, UnsupportedModelError, WeightSet

LONGEST_HEADER = 100_000_000
"""Bytes; the limit of the safetensors library, which guards against other kinds of file."""

_LENGTH = 8
"""Bytes that give the length of the header, at the start of a safetensors file."""


def read_folder(folder: Path) -> Checkpoint:
    """The checkpoint of a folder with config.json or params.json and its weights.

    A safetensors file may be cut off after its header; its size is what the header says.

    Raises:
        UnsupportedModelError: the folder holds no weights that vLLM loads, or an unreadable file.
    """
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()}
    index_name = checkpoint.needed_index(sizes)
    index = _read_json(folder / index_name) if index_name else None
    weights = checkpoint.weight_set(folder.name, sizes, checkpoint.indexed_files(index))
    tensors = {name: _header(folder / name, weights) for name in weights.files}
    # As on the Hub: a header that cannot be read makes the sizes of the files count.
    is_read = all(found is not None for found in tensors.values())
    return Checkpoint(
        model=folder.name,
        commit=None,
        weights=weights,
        size=sum(max(sizes[name], _whole(folder / name, found)) for name, found in tensors.items()),
        tensors=tuple(t for found in tensors.values() if is_read for t in found or ()),
        config=_read_json(folder / checkpoint.CONFIG),
        params=_read_json(folder / checkpoint.MISTRAL_CONFIG),
        gated=False,
        private=False,
        has_chat_template=_has_chat_template(folder, sizes),
    )


def _has_chat_template(folder: Path, names: dict[str, int]) -> bool:
    tokenizer = _read_json(folder / "tokenizer_config.json") or {}
    return checkpoint.has_chat_template(names, (), {"tokenizer_config": tokenizer})


def _read_json(path: Path) -> Json | None:
    if not path.is_file():
        return None
    try:
        content: object = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        content = None
    if isinstance(content, dict):
        return cast("Json", content)
    raise UnsupportedModelError(
        path.parent.name, f"{path.name} is not a JSON object", "download the file again"
    )


def _header(path: Path, weights: WeightSet) -> tuple[Tensor, ...] | None:
    """The tensors of a safetensors file, None where there is no readable header.

    Source: https://huggingface.co/docs/safetensors/index#format.
    """
    if weights.format == "pytorch":
        return None
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH), "little")
        if not 2 <= length <= LONGEST_HEADER:
            return None
        text = file.read(length)
    try:
        entries = cast("dict[str, dict[str, object]]", json.loads(text))
        return tuple(
            _tensor(name, entry)
            for name, entry in sorted(entries.items())
            if name != "__metadata__"
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _tensor(name: str, entry: dict[str, object]) -> Tensor:
    start, end = cast("list[int]", entry["data_offsets"])
    return Tensor(name, str(entry["dtype"]), tuple(cast("list[int]", entry["shape"])), (start, end))


def _whole(path: Path, tensors: tuple[Tensor, ...] | None) -> int:
    """Bytes of a safetensors file that is not cut off: its header and what that describes."""
    if tensors is None:
        return 0
    with path.open("rb") as file:
        header = _LENGTH + int.from_bytes(file.read(_LENGTH), "little")
    return header + max((tensor.offsets[1] for tensor in tensors), default=0)
