"""The way into the namespace under a burst of connections, with both its real processes."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sandbox.state import REPOSITORY

# More than asyncio holds by itself, fewer than the oldest limit of a system (somaxconn, 128).
BURST = 120
PATIENCE_SECONDS = 60


def echo(server: socket.socket) -> None:
    """Send back the one byte of each connection, in the order of their arrival."""
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            connection.sendall(connection.recv(1))


@contextmanager
def forwarder(side: str, folder: Path, port: int) -> Generator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "sandbox.forwarder", side, str(folder), f"route={port}"]
    with subprocess.Popen(command, cwd=REPOSITORY) as process:
        try:
            yield process
        finally:
            process.kill()


def connected(port: int) -> socket.socket:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_burst_of_connections_outlives_a_moment_in_which_the_other_side_is_held_up(
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        far = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=BURST))
        threading.Thread(target=echo, args=(far,), daemon=True).start()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            near = free.getsockname()[1]
        inside = stack.enter_context(forwarder("inside", tmp_path, far.getsockname()[1]))
        stack.enter_context(forwarder("outside", tmp_path, near))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (tmp_path / "route").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(inside.pid, signal.SIGSTOP)
        clients = [stack.enter_context(connected(near)) for _ in range(BURST)]
        for client in clients:
            client.sendall(b"x")
        time.sleep(0.5)
        os.kill(inside.pid, signal.SIGCONT)
        assert [client.recv(1) for client in clients] == [b"x"] * BURST
