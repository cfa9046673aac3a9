"""Resolves the cluster's Service names to 127.0.0.1 inside the namespace, where no CoreDNS runs.

Every name of the form `service.namespace`, with or without `.svc` and `.svc.cluster.local`, has
that address, whether there is such a Service or not: the process that listens on the Service's port
answers. Other names do not exist.
"""

import argparse
import asyncio
import signal
import struct
from typing import cast

# Of RFC 1035: an answer, authoritative, with the same recursion bit as most clients send.
_ANSWER_FLAGS = 0x8580
_NO_SUCH_NAME = 3
_TYPE_A, _CLASS_IN = 1, 1
_HEADER_BYTES = 12
# Points to the name in the question, which follows the header.
_SAME_NAME = 0xC00C
_LIFE_SECONDS = 5
_LOOPBACK = bytes((127, 0, 0, 1))
_SUFFIXES = (("svc", "cluster", "local"), ("svc",))
_SERVICE_AND_NAMESPACE = 2


def is_service(labels: tuple[str, ...]) -> bool:
    """Tell whether the labels of a name are those of a Service."""
    for suffix in _SUFFIXES:
        if labels[-len(suffix) :] == suffix:
            labels = labels[: -len(suffix)]
            break
    return len(labels) == _SERVICE_AND_NAMESPACE


def answer(query: bytes) -> bytes:
    """Return the answer to a query of one question (RFC 1035, section 4).

    Raises:
        ValueError: It is no such query.
    """
    try:
        labels, end = _question(query)
        kind, family = struct.unpack_from("!HH", query, end)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        message = f"{query!r} is no DNS query"
        raise ValueError(message) from error
    known = is_service(labels)
    records = b""
    if known and (kind, family) == (_TYPE_A, _CLASS_IN):
        fields = (_SAME_NAME, _TYPE_A, _CLASS_IN, _LIFE_SECONDS, len(_LOOPBACK))
        records = struct.pack("!HHHIH", *fields) + _LOOPBACK
    flags = _ANSWER_FLAGS | (0 if known else _NO_SUCH_NAME)
    header = query[:2] + struct.pack("!HHHHH", flags, 1, 1 if records else 0, 0, 0)
    return header + query[_HEADER_BYTES : end + 4] + records


def _question(query: bytes) -> tuple[tuple[str, ...], int]:
    """Return the labels of the name asked for, and where the type follows it."""
    labels: list[str] = []
    position = _HEADER_BYTES
    while length := query[position]:
        labels.append(query[position + 1 : position + 1 + length].decode("ascii").lower())
        position += 1 + length
    return tuple(labels), position + 1


class Resolver(asyncio.DatagramProtocol):
    """Answers each datagram by itself."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a query; anything else is ignored."""
        try:
            self._transport.sendto(answer(data), addr)
        except ValueError:
            return


async def serve(port: int) -> None:
    """Answer on a UDP port of 127.0.0.1 until SIGTERM."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    await loop.create_datagram_endpoint(Resolver, local_addr=("127.0.0.1", port))
    await ended.wait()


def main() -> None:
    """Read the port from the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.resolver", description=__doc__)
    parser.add_argument("port", type=int)
    asyncio.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
