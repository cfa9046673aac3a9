"""Cluster names inside the sandbox's namespace."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import resolver

LOOPBACK = bytes((127, 0, 0, 1))


def query(name: str, kind: int = 1) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    header = struct.pack("!6H", 4711, 0x0100, 1, 0, 0, 0)
    return header + labels + b"\0" + struct.pack("!HH", kind, 1)


@pytest.mark.parametrize(
    "name", ["vllm.llm", "vllm.llm.svc", "vllm.llm.svc.cluster.local", "VLLM.llm"]
)
def test_every_spelling_of_a_service_is_at_loopback(name: str) -> None:
    answer = resolver.answer(query(name))
    assert answer.endswith(LOOPBACK)
    assert struct.unpack("!6H", answer[:12]) == (4711, 0x8580, 1, 1, 0, 0)


@pytest.mark.parametrize("name", ["localhost", "vllm.example.com", "a.b.c.svc", "svc"])
def test_a_name_of_another_form_does_not_exist(name: str) -> None:
    (flags,) = struct.unpack_from("!H", resolver.answer(query(name)), 2)
    assert flags & 0xF == 3


def test_a_service_has_no_ipv6_address() -> None:
    answer = resolver.answer(query("vllm.llm", kind=28))
    assert struct.unpack("!6H", answer[:12]) == (4711, 0x8580, 1, 0, 0, 0)


@given(datagram=st.binary(max_size=64))
def test_no_datagram_breaks_the_resolver(datagram: bytes) -> None:
    try:
        answer = resolver.answer(datagram)
    except ValueError:
        return
    assert answer[:2] == datagram[:2]
