"""How a checkpoint's weights are quantised, in the words of the catalogue."""

from collections.abc import Iterator
from typing import cast

from catalog.records import Quantization
from planning.checkpoint import UnsupportedModelError
from planning.checkpoint_config import Config

_METHODS: dict[str, Quantization] = {
    "awq": "awq",
    "fbgemm_fp8": "fp8",
    "fp8": "fp8",
    "fp8_e4m3": "fp8",
    "gptq": "gptq",
    "mxfp4": "mxfp4",
    "nvfp4": "nvfp4",
}
"""Values of `quant_method`, or of ModelOpt's `quant_algo`, in small letters."""

_FORMATS: dict[tuple[str, int], Quantization] = {
    ("float", 4): "nvfp4",
    # Four-bit integers in groups run through the same Marlin kernels as GPTQ.
    ("int", 4): "gptq",
    ("float", 8): "fp8",
}
"""Type and bits of the weights in a compressed-tensors group, the fewest bits first."""


def quantization(config: Config) -> Quantization:
    """The method of the weights; of a mixture, the one with the fewest bits.

    Raises:
        UnsupportedModelError: the memory model does not know the method.
    """
    text = config.part("text_config")
    part = config.part("quantization_config", "compression_config") or (
        text.part("quantization_config") if text else None
    )
    if part is None:
        return "none"
    method = _text(part, "quant_method") or _text(part, "qformat_weight")
    found: Quantization | None
    if method in ("compressed-tensors", "compressed_tensors"):
        found = _of_groups(part)
    elif method in ("modelopt", ""):
        found = _METHODS.get(_text(part, "quant_algo"))
    elif (part.optional("bits", "w_bit") or 4) != 4:
        found = None
    else:
        found = _METHODS.get(method)
    if found is None:
        described = method or str(part.values.get("quant_algo", "unnamed"))
        raise UnsupportedModelError(
            config.model,
            f"the memory model does not know its quantisation ({described})",
            f"choose a checkpoint in bf16 or in one of {', '.join(sorted(set(_METHODS.values())))}",
        )
    return found


def scaling_block(config: Config) -> int | None:
    """The edge of the square block that shares one FP8 scale, or None."""
    part = config.part("quantization_config")
    block = part.values.get("weight_block_size") if part else None
    if isinstance(block, list) and block:
        edge = cast("list[object]", block)[0]
        return edge if isinstance(edge, int) else None
    return None


def _of_groups(part: Config) -> Quantization | None:
    if "mxfp4" in _text(part, "format"):
        return "mxfp4"
    found = [_FORMATS.get(group) for group in _groups(part)]
    if None in found:
        return None
    return next((name for name in _FORMATS.values() if name in found), None)


def _groups(part: Config) -> Iterator[tuple[str, int]]:
    groups = part.part("config_groups")
    for name in groups.values if groups else ():
        group = groups.part(name) if groups else None
        if group is not None and (weights := group.part("weights")) is not None:
            yield _text(weights, "type"), weights.optional("num_bits") or 0


def _text(part: Config, name: str) -> str:
    value = part.values.get(name)
    return value.lower() if isinstance(value, str) else ""
