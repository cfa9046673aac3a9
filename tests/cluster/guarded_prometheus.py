"""A Prometheus that asks for a bearer token and answers each query with one number, over TLS."""

import json
import ssl
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PORT = 4191
HOST = "guarded.monitoring.svc"
ADDRESS = f"https://{HOST}:{PORT}"


def serve(token: str, value: str, certificate: str, key: str) -> None:
    """Answer as /api/v1/query does, those who show the token."""
    result: list[dict[str, Any]] = [{"metric": {}, "value": [0, value]}]
    found = {"status": "success", "data": {"resultType": "vector", "result": result}}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers.get("Authorization") == f"Bearer {token}"
            body = json.dumps(found if known else {"status": "error"}).encode()
            self.send_response(HTTPStatus.OK if known else HTTPStatus.UNAUTHORIZED)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    serve(*sys.argv[1:])
