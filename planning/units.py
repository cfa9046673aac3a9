"""Units of memory and of files."""

GIB = 2**30
"""Bytes of a GiB, in which all memory is planned; GB, a thousand million, are never meant."""
