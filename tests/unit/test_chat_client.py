"""`examples/chat.py` against a server on loopback that speaks the OpenAI protocol."""

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

CLIENT = Path(__file__).resolve().parents[2] / "examples" / "chat.py"
HOST = "vllm.llm.localhost"
KEY = "sk-NotARealKeyButLongEnough"
MODEL = "mistralai/Mistral-7B-Instruct-v0.3"
PIECES = ("Because ", "of Rayleigh", " scattering.")


@dataclass
class Server:
    """What it was asked; it answers only to its host and key, and holds pieces until told."""

    port: int = 0
    status: int = 200
    breaks_off: bool = False
    keyed: bool = True
    body: bytes | None = None
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list[Any])
    go_on: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def do_POST(self) -> None:
        state = self.server_state
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        state.requests.append((f"{self.headers['Host']}{self.path}", body))
        authorized = self.headers.get("Authorization") == f"Bearer {KEY}" or not state.keyed
        status = state.status if authorized else 401
        if status != 200 or state.body is not None:
            self._send(status, state.body or b'{"error": {"message": "no"}}')
        elif body["stream"]:
            self._stream()
        else:
            message = {"role": "assistant", "content": "".join(PIECES)}
            self._send(200, json.dumps({"choices": [{"message": message}]}).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._event({"choices": [{"delta": {"role": "assistant"}}]})
        for piece in PIECES:
            self._event({"choices": [{"delta": {"content": piece}}]})
            self.server_state.go_on.wait(20)
        if self.server_state.breaks_off:
            self.close_connection = True
            return
        self._event({"choices": [], "usage": {"total_tokens": 3}})
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _event(self, event: object) -> None:
        self._chunk(f"data: {json.dumps(event)}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


@contextmanager
def serving(certificate: tuple[Path, Path] | None = None) -> Generator[Server]:
    state = Server()
    handler = type("_Handler", (Handler,), {"server_state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        state.port = server.server_address[1]
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield state
        state.go_on.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def server() -> Generator[Server]:
    with serving() as state:
        yield state


def command(port: int, *options: str) -> list[str]:
    connect = f"127.0.0.1:{port}"
    address = ["--host", f"http://{HOST}", "--model", MODEL, "--connect", connect]
    return [sys.executable, str(CLIENT), "Why is the sky blue?", *address, *options]


def environment(key: str | None = KEY, **more: str) -> dict[str, str]:
    known = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    return known | ({"OPENAI_API_KEY": key} if key else {}) | more


def run(arguments: list[str], **variables: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert done.stderr.startswith("chat: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert KEY not in done.stderr
    return done.stderr


def test_an_answer_is_printed_whole(server: Server) -> None:
    done = run(command(server.port))
    assert done.stdout == "".join(PIECES) + "\n"
    assert done.returncode == 0, done.stderr
    ((address, body),) = server.requests
    assert address == f"{HOST}/v1/chat/completions"
    assert body["model"] == MODEL
    assert body["messages"] == [{"role": "user", "content": "Why is the sky blue?"}]
    assert body["stream"] is False


def test_a_streamed_answer_is_printed_as_it_arrives(server: Server) -> None:
    with subprocess.Popen(
        command(server.port, "--stream"), env=environment(), stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdout is not None
        first = client.stdout.read(len(PIECES[0]))
        assert client.poll() is None
        server.go_on.set()
        assert first + client.stdout.read() == "".join(PIECES) + "\n"
    assert client.returncode == 0


def test_without_a_key_none_is_sent(server: Server) -> None:
    server.keyed = False
    assert run(command(server.port), key=None).returncode == 0


def test_a_missing_key_is_named(server: Server) -> None:
    text = complaint(run(command(server.port), key=None))
    assert "answered 401" in text
    assert "OPENAI_API_KEY" in text


def test_a_server_that_is_not_ready_is_one_sentence(server: Server) -> None:
    server.status = 503
    assert "answered 503: no server is ready" in complaint(run(command(server.port)))


def test_what_the_server_says_of_a_wrong_request_is_passed_on(server: Server) -> None:
    server.status, server.body = 400, b'{"error": {"message": "too\\nlong"}}'
    assert "answered 400: too long" in complaint(run(command(server.port)))


@pytest.mark.parametrize("options", [(), ("--stream",)])
def test_a_page_that_is_no_completion_is_one_sentence(
    server: Server, options: tuple[str, ...]
) -> None:
    server.body = b"data: <html>\n"
    assert "check the address" in complaint(run(command(server.port, *options)))


def test_a_stream_that_breaks_off_is_one_sentence_after_what_came(server: Server) -> None:
    server.breaks_off = True
    server.go_on.set()
    done = run(command(server.port, "--stream"))
    assert done.stdout == "".join(PIECES)
    assert "broke off" in complaint(done)


def test_an_error_in_the_stream_is_one_sentence(server: Server) -> None:
    server.body = b'data: {"error": {"message": "out of memory"}}\n\n'
    done = run(command(server.port, "--stream"))
    assert "the server gave up: out of memory" in complaint(done)


def test_a_silent_server_is_given_up_on(server: Server) -> None:
    done = run(command(server.port, "--stream", "--timeout", "0.5"))
    assert "nothing came for 0.5 seconds" in complaint(done)


def test_a_refused_connection_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        done = run(command(taken.getsockname()[1]))
    assert f"http://{HOST}: no connection" in complaint(done)


def test_over_tls_the_name_of_the_address_is_the_one_that_is_checked(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=test", "-addext", f"subjectAltName=DNS:{HOST}"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    with serving((certificate, key)) as server:
        asked = [*command(server.port), "--host", f"https://{HOST}"]
        assert run(asked, SSL_CERT_FILE=str(certificate)).returncode == 0
        assert "its certificate is not trusted" in complaint(run(asked))
        other = [*command(server.port), "--host", "https://other.localhost"]
        assert "not trusted" in complaint(run(other, SSL_CERT_FILE=str(certificate)))


def test_what_is_no_address_is_one_sentence(server: Server) -> None:
    done = run([*command(server.port), "--host", HOST])
    assert "is no address" in complaint(done)


def test_the_address_comes_from_the_stack_and_options_go_first(
    server: Server, tmp_path: Path
) -> None:
    outputs = {"appHost": f"http://{HOST}", "servedModelName": MODEL}
    pulumi = tmp_path / "pulumi"
    wanted = "stack output --json --stack dev"
    pulumi.write_text(f"#!/bin/sh\n[ \"$*\" = '{wanted}' ] && echo '{json.dumps(outputs)}'\n")
    pulumi.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    asked = [sys.executable, str(CLIENT), "Hello", "--stack", "dev"]
    asked += ["--connect", f"127.0.0.1:{server.port}"]
    assert run(asked, PATH=path).returncode == 0
    assert run([*asked, "--model", "mistral"], PATH=path).returncode == 0
    assert [body["model"] for _, body in server.requests] == [MODEL, "mistral"]
    assert {address for address, _ in server.requests} == {f"{HOST}/v1/chat/completions"}


def test_the_address_comes_from_the_environment(server: Server) -> None:
    asked = [sys.executable, str(CLIENT), "Hello", "--connect", f"127.0.0.1:{server.port}"]
    done = run(asked, APP_HOST=f"http://{HOST}", SERVED_MODEL_NAME=MODEL, PATH="")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("answer", ["", "{}"])
def test_without_an_address_the_remedy_is_named(tmp_path: Path, answer: str) -> None:
    pulumi = tmp_path / "pulumi"
    pulumi.write_text(f"#!/bin/sh\necho '{answer}'; [ -n '{answer}' ]\n")
    pulumi.chmod(0o755)
    done = run([sys.executable, str(CLIENT), "Hello"], PATH=f"{tmp_path}:{os.environ['PATH']}")
    expected = "ingress.enabled is false" if answer else "--host"
    assert expected in complaint(done)
    done = run([sys.executable, str(CLIENT), "Hello"], PATH=str(tmp_path / "empty"))
    assert "no `pulumi` on PATH" in complaint(done)
