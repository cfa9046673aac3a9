"""An OpenID Connect issuer and the check of a login, run where the sandbox's components run."""

import json
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

PORT = 4190
ADDRESS = f"http://login.identity.svc:{PORT}"


def document(path: str, jwks: object) -> dict[str, Any] | None:
    """What an issuer publishes at a path (OpenID Connect Discovery 1.0)."""
    if path == "/.well-known/openid-configuration":
        return {
            "issuer": ADDRESS,
            "authorization_endpoint": f"{ADDRESS}/authorize",
            "token_endpoint": f"{ADDRESS}/token",
            "jwks_uri": f"{ADDRESS}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
        }
    return {"keys": [jwks]} if path == "/keys" else None


def serve(jwk: object) -> None:
    """Publish one key, and let those pass whose session is named as the path that is asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            published = document(path, jwk)
            session = f"session={path.removeprefix('/')}"
            known = published or self.headers.get("Cookie") == session
            body = json.dumps(published).encode()
            self.send_response(HTTPStatus.OK if known else HTTPStatus.UNAUTHORIZED)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
