"""Units of memory and of files."""

GIB = 2**30
"""Bytes of a GiB, in which all memory is planned; GB, a thousand million, are never meant."""

_SUFFIXES = {
    "": 1.0,
    "m": 1e-3,
    **{suffix: 1000.0**power for power, suffix in enumerate("kMGT", 1)},
    **{suffix: 1024.0**power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti"), 1)},
}


def amount(quantity: str) -> float:
    """Give the number, or the bytes, of a quantity of the stack config, such as 500m or 32Gi.

    Raises:
        KeyError: it is none that `settings.values` takes.
    """
    digits = quantity.rstrip("mkMGTKi")
    return int(digits) * _SUFFIXES[quantity.removeprefix(digits)]
