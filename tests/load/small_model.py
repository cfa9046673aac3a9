"""A Service of the app's namespace that answers while the model does not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

from sandbox.state import REPOSITORY
from tests.load.apps import LoadedApp

ANSWER = "the small model"
_PORT = 8001
_SERVER = f"""
import sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write({ANSWER.encode()!r})
server = ThreadingHTTPServer(("127.0.0.1", {_PORT}), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("serves", flush=True)
sys.stdin.read()
"""


@contextmanager
def small_model(app: LoadedApp) -> Generator[dict[str, object]]:
    """Run it for the block, and lend what `coldStart.fallback` names it by."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "exec", sys.executable, "-c", _SERVER],
        cwd=REPOSITORY,
        env=app.sandbox.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"serves\n"
    app.sandbox.apply(
        "apiVersion: v1\nkind: Service\n"
        f"metadata: {{name: small-model, namespace: {app.namespace}}}\n"
        f"spec: {{ports: [{{port: {_PORT}}}]}}\n"
    )
    try:
        yield {"service": "small-model", "port": _PORT}
    finally:
        process.communicate(timeout=60)
