"""How the cluster's objects are read: in pages, as an API server takes it that has just started."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from lightkube import Client

from cluster.client import connect
from cluster.observed import read_nodes

NAMES = ("one", "two", "three")
KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: starting, cluster: {server: "http://127.0.0.1:PORT"}}]
contexts: [{name: starting, context: {cluster: starting, user: anyone}}]
users: [{name: anyone, user: {}}]
"""


class StartingApiServer(BaseHTTPRequestHandler):
    """Nodes one by one, and 429 to a list without a limit, which only the cache could answer."""

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        if "limit" not in asked:
            self.answer(429, {"kind": "Status", "message": "storage is (re)initializing"})
            return
        number = int(asked.get("continue", ["0"])[0])
        more = {"continue": str(number + 1)} if number + 1 < len(NAMES) else {}
        item: dict[str, Any] = {"metadata": {"name": NAMES[number]}, "status": {"allocatable": {}}}
        self.answer(200, {"kind": "NodeList", "metadata": more, "items": [item]})

    def answer(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    with ThreadingHTTPServer(("127.0.0.1", 0), StartingApiServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        (tmp_path / "config").write_text(KUBECONFIG.replace("PORT", str(server.server_port)))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        with connect("starting") as made:
            yield made
        server.shutdown()


def test_a_list_is_read_in_pages_as_a_cache_that_is_not_ready_allows(client: Client) -> None:
    assert [node.name for node in read_nodes(client)] == list(NAMES)
