"""Model repositories that the Hub stand-in serves, with files it makes itself."""

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

JSON = Mapping[str, object]

COMMIT = "a" * 40

READER = "hf_reader"
"""A token that the tests put among a repository's readers."""

STRANGER = "hf_stranger"
"""A valid token that reads no closed repository."""

BYTES_PER_ELEMENT = {"F32": 4, "BF16": 2, "F16": 2, "F8_E4M3": 1, "U8": 1, "I32": 4}


@dataclass(frozen=True)
class File:
    """A repository file of `size` bytes that begins with `head`; the rest reads as zeros.

    A checkpoint of many GiB costs this process only its header.
    """

    head: bytes
    size: int
    is_lfs: bool = False

    def read(self, start: int, stop: int) -> bytes:
        """Bytes from `start` up to but without `stop`."""
        stop = min(stop, self.size)
        body = self.head[start:stop]
        return body + bytes(max(0, stop - start - len(body)))

    @property
    def sha256(self) -> str:
        """The digest, where the file is small; else one that differs between different files."""
        return _sha256(self.head, self.size)

    @property
    def blob_id(self) -> str:
        """The name that git gives a small file; else one that differs between different files."""
        return _blob_id(self.head, self.size)


_LARGEST_HASHED = 1 << 27


@cache
def _sha256(head: bytes, size: int) -> str:
    content = File(head, size).read(0, size) if size <= _LARGEST_HASHED else head + b"%d" % size
    return hashlib.sha256(content).hexdigest()


@cache
def _blob_id(head: bytes, size: int) -> str:
    content = File(head, size).read(0, size) if size <= _LARGEST_HASHED else head
    return hashlib.sha1(b"blob %d\0" % size + content, usedforsecurity=False).hexdigest()


def text(content: str) -> File:
    """A small file that git itself holds."""
    body = content.encode()
    return File(head=body, size=len(body))


def json_file(content: object) -> File:
    """A small JSON file that git itself holds."""
    return text(json.dumps(content))


def safetensors(tensors: Mapping[str, tuple[str, tuple[int, ...]]]) -> File:
    """A safetensors file of these tensors (name -> dtype, shape), true to size, with zeros as data.

    Format: https://huggingface.co/docs/safetensors/index#format.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, (dtype, shape) in tensors.items():
        length = BYTES_PER_ELEMENT[dtype]
        for dimension in shape:
            length *= dimension
        header[name] = {
            "dtype": dtype,
            "shape": list(shape),
            "data_offsets": [offset, offset + length],
        }
        offset += length
    body = json.dumps(header).encode()
    head = struct.pack("<Q", len(body)) + body
    return File(head=head, size=len(head) + offset, is_lfs=True)


def binary(size: int, head: bytes = b"PK\x03\x04") -> File:
    """A large file without a readable header, such as a PyTorch pickle."""
    return File(head=head, size=size, is_lfs=True)


def sharded(
    prefix: str, shards: Sequence[Mapping[str, tuple[str, tuple[int, ...]]]]
) -> dict[str, File]:
    """Shards named as the transformers library names them, with their index."""
    files: dict[str, File] = {}
    weight_map: dict[str, str] = {}
    for number, tensors in enumerate(shards, start=1):
        name = f"{prefix}-{number:05d}-of-{len(shards):05d}.safetensors"
        files[name] = safetensors(tensors)
        weight_map.update(dict.fromkeys(tensors, name))
    files[f"{prefix}.safetensors.index.json"] = json_file(
        {"metadata": {"total_size": 0}, "weight_map": weight_map}
    )
    return files


@dataclass(frozen=True)
class Repository:
    """One model repository: its files at one commit, and who may see and read it."""

    id: str
    files: Mapping[str, File]
    commit: str = COMMIT
    branches: tuple[str, ...] = ("main",)
    gated: Literal["auto", "manual", False] = False
    private: bool = False
    disabled: bool = False
    readers: frozenset[str] = frozenset()
    facts: JSON = field(default_factory=dict[str, object])

    def resolves(self, revision: str) -> bool:
        """Whether the revision is a branch here, the commit, or an abbreviation of it."""
        is_commit = len(revision) >= 7 and self.commit.startswith(revision)
        return revision in self.branches or is_commit
