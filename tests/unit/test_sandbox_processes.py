"""Processes, certificates and the forwarder, with real processes but no cluster."""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from sandbox import forwarder, pki, processes
from sandbox.probes import FileProbe
from sandbox.processes import Component
from sandbox.state import SandboxError, Settings


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    made = Settings.from_environment({"SANDBOX_STATE": str(tmp_path / "state")})
    made.prepare()
    yield made
    processes.stop(made, processes.recorded(made))


def component(settings: Settings, program: str, name: str = "worker") -> Component:
    return Component(
        name=name,
        command=(sys.executable, "-c", program),
        probe=FileProbe(path=settings.directory / f"{name}.ready"),
    )


def ready_program(settings: Settings, then: str) -> str:
    ready = f"pathlib.Path('{settings.directory}/worker.ready').touch()"
    return f"import pathlib, signal, time; {then}; {ready}; time.sleep(60)"


def test_a_start_that_is_interrupted_leaves_neither_a_process_nor_half_a_record(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "rename", Mock(side_effect=KeyboardInterrupt))
    marker = f"print({str(settings.directory)!r})"
    with pytest.raises(KeyboardInterrupt):
        processes.start(settings, component(settings, ready_program(settings, marker)))
    assert processes.recorded(settings) == []
    deadline = time.monotonic() + 60
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    while [pid for pid in pids if marker in (processes.command_line(pid) or "")]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_component_is_started_once(settings: Settings) -> None:
    sleeper = component(settings, ready_program(settings, "pass"))
    processes.start(settings, sleeper)
    pid = processes.running_pid(settings, "worker")
    processes.start(settings, sleeper)
    assert processes.running_pid(settings, "worker") == pid
    processes.wait_ready(settings, [sleeper], 60)


def test_a_stopped_component_has_closed_its_ports_with_its_last_thread(settings: Settings) -> None:
    program = """
import ctypes, os, signal, socket, threading, time
server, asked = socket.create_server(("127.0.0.1", 0)), threading.Event()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
threading.Thread(target=lambda: (asked.wait(), time.sleep(0.5), os._exit(0))).start()
print(server.getsockname()[1], flush=True)
signal.sigwait({signal.SIGTERM})
asked.set()
ctypes.CDLL(None).pthread_exit(None)
"""
    command = [sys.executable, "-c", program]
    # Started by another process than the one that stops it, as by `python -m sandbox restart`.
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as stranger:
        assert stranger.stdout is not None
        port = int(stranger.stdout.readline())
        record = json.dumps({"pid": stranger.pid, "command": command})
        (settings.pids / "worker.json").write_text(record)
        processes.stop(settings, ["worker"])
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=1)


def test_a_component_that_ends_is_named_with_its_last_lines_and_its_log(settings: Settings) -> None:
    dying = component(settings, "print('line 1\\n' * 30 + 'the reason'); raise SystemExit(3)")
    processes.start(settings, dying)
    with pytest.raises(SandboxError) as caught:
        processes.wait_ready(settings, [dying], 60)
    message = str(caught.value)
    assert message.startswith("worker ended during the start")
    assert message.endswith("the reason")
    assert message.count("\n") == 12
    assert str(settings.logs / "worker.log") in message


def test_a_component_that_never_serves_is_given_up_on(settings: Settings) -> None:
    silent = component(settings, "import time; time.sleep(60)")
    processes.start(settings, silent)
    with pytest.raises(SandboxError, match=r"worker is not ready after 0 s.*\n *\(nothing\)"):
        processes.wait_ready(settings, [silent], 0.2)


def test_a_missing_program_is_one_message(settings: Settings) -> None:
    absent = Component(
        name="worker", command=("/nonexistent/worker",), probe=FileProbe(path=settings.directory)
    )
    with pytest.raises(SandboxError, match=r"worker cannot be started: .*/nonexistent/worker"):
        processes.start(settings, absent)


def test_stop_ends_a_component_that_ignores_sigterm(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_GRACE_SECONDS", 0.3)
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    stubborn = component(settings, ready_program(settings, ignore))
    processes.start(settings, stubborn)
    processes.wait_ready(settings, [stubborn], 60)
    pid = processes.running_pid(settings, "worker")
    processes.stop(settings, ["worker"])
    assert pid
    assert processes.command_line(pid) is None
    assert processes.recorded(settings) == []


def test_a_reused_pid_is_not_taken_for_the_component(settings: Settings) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        record = {"pid": stranger.pid, "command": ["/cache/etcd", "--data-dir=/state/etcd"]}
        (settings.pids / "etcd.json").write_text(json.dumps(record))
        assert processes.running_pid(settings, "etcd") is None
        processes.stop(settings, ["etcd"])
        assert stranger.poll() is None
        stranger.kill()


def test_a_component_sees_no_proxy_and_no_kubeconfig_of_the_caller(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv("KUBECONFIG", "/elsewhere")
    write = f"pathlib.Path('{settings.directory}/seen').write_text(repr(dict(os.environ)))"
    shown = Component(
        name="worker",
        command=(sys.executable, "-c", f"import os, pathlib; {write}"),
        probe=FileProbe(path=settings.directory / "seen"),
        environment={"OWN": "value"},
    )
    processes.start(settings, shown)
    deadline = time.monotonic() + 60
    while "'OWN': 'value'" not in (text := _read(settings.directory / "seen")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert "proxy.example.com" not in text
    assert "KUBECONFIG" not in text


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def openssl(*arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def test_certificates_are_signed_by_their_authority_and_keys_are_their_owners(
    settings: Settings,
) -> None:
    pki.create(settings)
    for authority, name in (
        ("ca", "apiserver"),
        ("ca", "admin"),
        ("ca", "keda/tls"),
        ("front-proxy-ca", "front-proxy-client"),
    ):
        ca, leaf = settings.pki / f"{authority}.crt", settings.pki / f"{name}.crt"
        assert "OK" in openssl("verify", "-CAfile", str(ca), str(leaf))
    for key in settings.pki.rglob("*.key"):
        assert key.stat().st_mode & 0o077 == 0, key


def test_certificates_are_made_once(settings: Settings) -> None:
    pki.create(settings)
    before = (settings.pki / "ca.crt").read_bytes()
    pki.create(settings)
    assert (settings.pki / "ca.crt").read_bytes() == before


def test_a_failing_openssl_leaves_no_half_made_certificates(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bin" / "openssl"
    fake.parent.mkdir()
    real = shutil.which("openssl")
    fake.write_text(
        f'#!/bin/sh\n[ "$1" = x509 ] && {{ echo no entropy >&2; exit 1; }}\nexec {real} "$@"\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    with pytest.raises(SandboxError, match="openssl x509 failed: no entropy"):
        pki.create(settings)
    assert not settings.pki.exists()
    monkeypatch.undo()
    pki.create(settings)
    assert (settings.pki / "keda" / "tls.crt").exists()


def test_a_missing_openssl_is_named_with_the_remedy(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SandboxError, match="openssl is not on PATH: install it"):
        pki.create(settings)


def test_the_forwarder_carries_both_ways_and_passes_the_end_of_a_stream_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    received = asyncio.run(asyncio.wait_for(_round_trip(bytes(range(256)) * 20000), 60))
    assert received == bytes(range(255, -1, -1)) * 20000


async def _connection(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the outside, once both sides listen."""
    while True:
        with contextlib.suppress(OSError):
            if Path("route").exists():
                return await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(0.02)


@contextlib.contextmanager
def reserved_port() -> Generator[int]:
    """A port that this process may listen on, and that the kernel gives to nobody meanwhile."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


async def _round_trip(sent: bytes) -> bytes:
    """Send bytes through both sides to a server that reverses what it got until its end."""

    async def reverse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read())[::-1])
        await writer.drain()
        writer.close()

    far = await asyncio.start_server(reverse, "127.0.0.1", 0)
    with reserved_port() as near_port:
        far_port = far.sockets[0].getsockname()[1]
        sides = [
            asyncio.create_task(forwarder.serve("inside", {"route": far_port})),
            asyncio.create_task(forwarder.serve("outside", {"route": near_port})),
        ]
        reader, writer = await _connection(near_port)
        writer.write(sent)
        writer.write_eof()
        received = await reader.read()
        for side in sides:
            side.cancel()
    return received


def test_the_forwarder_ends_a_connection_that_nobody_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def ask() -> bytes:
        absent = asyncio.start_server(
            lambda r, w: forwarder.relay(lambda: asyncio.open_unix_connection("absent"), r, w),
            "127.0.0.1",
            0,
        )
        server = await absent
        reader, _ = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        return await reader.read()

    assert asyncio.run(asyncio.wait_for(ask(), 30)) == b""
