"""An API server of a few objects, each at its path; what else is asked for is not there."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from lightkube import Client
from lightkube.config.kubeconfig import KubeConfig
from lightkube.config.models import Cluster, User

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
DEFINED = ("/apis/keda.sh/", "/apis/http.keda.sh/", "/apis/gateway.networking.k8s.io/")
NOT_FOUND = 404
APISERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"


@dataclass
class Api:
    """Objects by their path; an int is the status of an error, and a list those of a kind.

    `forbidden` are beginnings of paths that the user may not read, and `passing` the errors that a
    path gives before its object.
    """

    objects: dict[str, Any] = field(default_factory=dict[str, Any])
    forbidden: tuple[str, ...] = ()
    passing: dict[str, list[int]] = field(default_factory=dict[str, list[int]])

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        found = 403 if path.startswith(self.forbidden) else self.objects.get(path, NOT_FOUND)
        if self.passing.get(path):
            found = self.passing[path].pop(0)
        if isinstance(found, int):
            return found, {"kind": "Status", "message": f"{path}: {found}", "code": found}
        return 200, {"metadata": {}, "items": found} if isinstance(found, list) else found


@contextmanager
def client_of(api: Api) -> Generator[Client]:
    """A client of a server that answers from what the Api holds at the time."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            status, content = api.answer(path)
            body, content_type = json.dumps(content).encode(), "application/json"
            if status == NOT_FOUND and path.startswith(DEFINED):
                # As the API server answers for a kind without a definition.
                body, content_type = b"404 page not found\n", "text/plain; charset=utf-8"
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Audit-Id", "d10a2f7f")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        cluster = Cluster(server=f"http://127.0.0.1:{server.server_port}")
        with Client(KubeConfig.from_one(cluster=cluster, user=User())) as client:
            yield client
        server.shutdown()
