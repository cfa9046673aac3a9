"""As much of HTTP/1.1 (RFC 9112) as proxies and clients of an OpenAI API speak."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

_JSON = "application/json"
_BUFFER = 65536


class UnreadableRequestError(Exception):
    """What arrived is no request; the connection cannot be used any further."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request, and the local address that it arrived at."""

    address: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json_object(self) -> dict[str, Any]:
        """Parse what came after the headers.

        Raises:
            ValueError: It is no JSON object.
        """
        parsed = json.loads(self.body)
        if not isinstance(parsed, dict):
            message = "the body is no JSON object"
            raise ValueError(message)
        return cast("dict[str, Any]", parsed)


class Answer:
    """Writes one answer: whole, in pieces, or as a connection of another protocol."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.status = 0

    async def send(self, status: int, body: bytes, content_type: str = _JSON) -> None:
        """Send a whole answer."""
        self._head(status, content_type, f"Content-Length: {len(body)}")
        self._writer.write(body)
        await self._writer.drain()

    async def send_json(self, status: int, body: object) -> None:
        """Send a whole answer in JSON."""
        await self.send(status, json.dumps(body).encode())

    async def begin_events(self) -> None:
        """Begin a stream of server-sent events."""
        self._head(HTTPStatus.OK, "text/event-stream; charset=utf-8", "Transfer-Encoding: chunked")
        await self._writer.drain()

    async def send_event(self, data: str) -> None:
        """Send one event, as a chunk of its own."""
        event = f"data: {data}\n\n".encode()
        self._writer.write(b"%x\r\n%s\r\n" % (len(event), event))
        await self._writer.drain()

    async def end_events(self) -> None:
        """End the stream; the connection stays."""
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def echo(self, protocol: str) -> None:
        """Switch to a protocol, and send back what arrives until the client ends it."""
        self.status = HTTPStatus.SWITCHING_PROTOCOLS
        lines = ("HTTP/1.1 101 Switching Protocols", f"Upgrade: {protocol}", "Connection: Upgrade")
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await self._writer.drain()
        while data := await self._reader.read(_BUFFER):
            self._writer.write(data)
            await self._writer.drain()

    def _head(self, status: int, content_type: str, framing: str) -> None:
        self.status = status
        phrase = HTTPStatus(status).phrase
        lines = (f"HTTP/1.1 {status} {phrase}", f"Content-Type: {content_type}", framing)
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())


Handler = Callable[[Request, Answer], Awaitable[None]]


async def serve_connection(
    admits: Callable[[str], bool],
    handle: Handler,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Answer the requests of a connection, one after the other, while its address is admitted.

    Where it is not, the connection ends at a request: of one that ends before, Traefik makes a 500
    or a 502, as its request was sent or not.
    """
    address = str(writer.get_extra_info("sockname")[0])
    # The process ends by cancelling, which older asyncio reports of each connection
    # (python/cpython#113538).
    ends = (OSError, UnreadableRequestError, asyncio.CancelledError)
    with contextlib.suppress(*ends):
        while (request := await _read(reader, address)) and admits(address):
            await handle(request, Answer(reader, writer))
            if request.headers.get("connection", "").lower() == "close":
                break
    writer.close()


async def _read(reader: asyncio.StreamReader, address: str) -> Request | None:
    """Read a request, None when the client has ended the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise UnreadableRequestError from error
        return None
    except asyncio.LimitOverrunError as error:
        raise UnreadableRequestError from error
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    parts = first.split(" ")
    if len(parts) != len(("method", "target", "version")):
        raise UnreadableRequestError
    fields = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in fields}
    return Request(
        address=address,
        method=parts[0],
        path=parts[1].partition("?")[0],
        headers=headers,
        body=await _read_body(reader, headers),
    )


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    try:
        if "chunked" not in headers.get("transfer-encoding", "").lower():
            return await reader.readexactly(int(headers.get("content-length", "0")))
        body = b""
        while size := int((await reader.readline()).partition(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readline()
        while (await reader.readline()).strip():
            pass  # Fields after the last chunk carry nothing that is used here.
    except (ValueError, asyncio.IncompleteReadError) as error:
        raise UnreadableRequestError from error
    return body
