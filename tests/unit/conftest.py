"""What stands where a kubeconfig says that an API server is, and answers in its own way."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from cluster import end_of_rollout

JSON = "application/json"

Reply = tuple[int, str | None, bytes]
"""Status, content type and body."""

Kubeconfig = Callable[..., None]


class Proxy(ThreadingHTTPServer):
    """Gives one answer after the other and the last for ever; keeps the token it was shown."""

    answers: tuple[Reply, ...] = ()
    authorization: str | None = None


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Proxy)
        self.server.authorization = self.headers["Authorization"]
        (status, content_type, body), *later = self.server.answers
        self.server.answers = tuple(later) or self.server.answers
        self.send_response(status)
        if content_type is not None:
            self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


def reply(shown: dict[str, Any], status: int = 200) -> Reply:
    return status, JSON, json.dumps(shown).encode()


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Pulumi is told; no second passes between two questions about a rollout."""
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    monkeypatch.setattr(end_of_rollout, "_PERIOD_SECONDS", 0.0)
    return said


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def kubeconfig(proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kubeconfig:
    file = tmp_path / "config"
    monkeypatch.setenv("KUBECONFIG", str(file))

    def write(
        user: dict[str, Any] | None = None, *, context: str = "proxy", **cluster: str
    ) -> None:
        server = {"server": f"http://127.0.0.1:{proxy.server_port}"}
        content = {
            "clusters": [{"name": "behind", "cluster": server | cluster}],
            "users": [{"name": "one", "user": user or {}}],
            "contexts": [{"name": context, "context": {"cluster": "behind", "user": "one"}}],
        }
        file.write_text(yaml.safe_dump(content))

    write()
    return write
