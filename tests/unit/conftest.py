"""What stands where a kubeconfig says that an API server is, and answers in its own way."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

JSON = "application/json"

Kubeconfig = Callable[..., None]


class Proxy(ThreadingHTTPServer):
    """Gives one answer after the other and the last for ever; keeps the token it was shown."""

    answers: tuple[tuple[int, str | None, bytes], ...] = ()
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
