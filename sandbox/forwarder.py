"""Carries TCP connections between this machine and the namespace over Unix sockets.

Network namespaces part TCP ports but not the file system, so one side listens on TCP and connects
to a Unix socket, and the other side does the reverse.
"""

import argparse
import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

_CHUNK_BYTES = 65536
# A burst of connections waits here, where more would be lost: on TCP for a second, else for good.
_BACKLOG = 4096

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


async def relay(
    connect: Connect, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Connect onward and copy both ways until both sides have ended their half."""
    try:
        far_reader, far_writer = await connect()
    except OSError:
        writer.close()
        return
    try:
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
    finally:
        writer.close()
        far_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        if writer.can_write_eof():
            writer.write_eof()


async def serve(side: str, routes: dict[str, int]) -> None:
    """Serve all routes, socket file name to TCP port on 127.0.0.1, until SIGTERM or SIGINT."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    for name, port in routes.items():
        if side == "outside":
            onward = partial(relay, partial(asyncio.open_unix_connection, name))
            await asyncio.start_server(onward, "127.0.0.1", port, backlog=_BACKLOG)
        else:
            Path(name).unlink(missing_ok=True)
            onward = partial(relay, partial(asyncio.open_connection, "127.0.0.1", port))
            await asyncio.start_unix_server(onward, name, backlog=_BACKLOG)
    await ended.wait()


def main() -> None:
    """Read the routes from the command line and serve them."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.forwarder", description=__doc__)
    parser.add_argument("side", choices=("inside", "outside"))
    parser.add_argument("directory", help="directory of the Unix sockets")
    parser.add_argument("routes", nargs="+", metavar="NAME=PORT")
    arguments = parser.parse_args()
    # A Unix socket's path may have 107 bytes: relative names fit wherever the directory is.
    os.chdir(arguments.directory)
    parts = [route.split("=") for route in arguments.routes]
    asyncio.run(serve(arguments.side, {name: int(port) for name, port in parts}))


if __name__ == "__main__":
    main()
