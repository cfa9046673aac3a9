"""Who signs tokens, and the real oauth2-proxy that checks them as the stack's Deployment says."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.state import REPOSITORY
from tests.cluster.closed import read_secret
from tests.cluster.exposed import Exposed
from tests.cluster.login_server import ADDRESS, PORT
from tests.cluster.sandboxes import PATIENCE_SECONDS, Sandbox
from tools import locate

KEY_ID = "1"
_LIFE_SECONDS = 3600
"""Of a token, which outlives its tests on any machine."""

# The shell ends its child when its own input ends: nsenter passes no signal on.
_UNTIL_INPUT_ENDS = '"$@" & cat; kill $!; wait'


class Issuer:
    """A signing key of an OpenID Connect issuer, and tokens signed with it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._key = folder / "key.pem"
        _openssl("genrsa", "-out", str(self._key), "2048")

    def jwk(self) -> dict[str, str]:
        """The public key (RFC 7517)."""
        said = _openssl("rsa", "-in", str(self._key), "-noout", "-modulus").decode()
        modulus = _base64(bytes.fromhex(said.strip().partition("=")[2]))
        return {"kty": "RSA", "alg": "RS256", "kid": KEY_ID, "n": modulus, "e": "AQAB"}

    def bearer(self, **claims: Any) -> dict[str, str]:
        """The header of a token (RFC 7519) for an application of the group `llm`."""
        now = int(time.time())
        standard = {"iss": ADDRESS, "sub": "app", "aud": "vllm", "groups": ["llm"]}
        body = {**standard, "iat": now, "exp": now + _LIFE_SECONDS, **claims}
        parts = ({"alg": "RS256", "kid": KEY_ID}, body)
        signed = ".".join(_base64(json.dumps(part).encode()) for part in parts)
        signature = _openssl("dgst", "-sha256", "-sign", str(self._key), given=signed.encode())
        return {"Authorization": f"Bearer {signed}.{_base64(signature)}"}


def _openssl(*arguments: str, given: bytes = b"") -> bytes:
    done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True)
    return done.stdout


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@contextmanager
def running_inside(
    sandbox: Sandbox, log: Path, *command: str, variables: Mapping[str, str] | None = None
) -> Generator[None]:
    """Run a command where the sandbox's components run, until the context ends."""
    shell = ("sh", "-c", _UNTIL_INPUT_ENDS, "sh", *command)
    with (
        log.open("w") as said,
        subprocess.Popen(
            [*sandbox.prefix, "-m", "sandbox", "exec", *shell],
            cwd=REPOSITORY,
            env={**sandbox.environment, **(variables or {})},
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        yield
        assert process.poll() is None, log.read_text()
        assert process.stdin
        process.stdin.close()
        process.wait(timeout=PATIENCE_SECONDS)


def wait_until_listening(sandbox: Sandbox, port: int, log: Path) -> None:
    """Wait until a command that runs inside takes connections."""
    asked = f"import socket; socket.create_connection(('127.0.0.1', {port}))"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while sandbox.run("exec", sys.executable, "-c", asked, check=False).returncode:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


@contextmanager
def login_server(sandbox: Sandbox, log: Path, issuer: Issuer) -> Generator[None]:
    """Run the issuer, which oauth2-proxy asks once as it starts, and the check of a login."""
    module = "tests.cluster.login_server"
    command = (sys.executable, "-m", module, json.dumps(issuer.jwk()))
    with running_inside(sandbox, log, *command):
        wait_until_listening(sandbox, PORT, log)
        yield


def proxy_container(exposed: Exposed) -> dict[str, Any]:
    """The container of oauth2-proxy that the stack deployed."""
    where = f"--namespace={exposed.namespace}"
    deployment = exposed.sandbox.kubectl_json("get", "deployment", "vllm-authentication", where)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return container


@contextmanager
def deployed_proxy(exposed: Exposed, log: Path) -> Generator[None]:
    """Run oauth2-proxy with the arguments and the environment of its Deployment."""
    container = proxy_container(exposed)
    references = {each["name"]: each["valueFrom"]["secretKeyRef"] for each in container["env"]}
    variables = {
        name: read_secret(exposed, reference["name"])[reference["key"]]
        for name, reference in references.items()
    }
    program, (port,) = str(locate.program("oauth2-proxy")), container["ports"]
    with running_inside(exposed.sandbox, log, program, *container["args"], variables=variables):
        wait_until_listening(exposed.sandbox, port["containerPort"], log)
        yield


def probe_status(exposed: Exposed, probe: str) -> int:
    """What a probe of the proxy's container gets."""
    container = proxy_container(exposed)
    path, (port,) = container[probe]["httpGet"]["path"], container["ports"]
    address = f"http://127.0.0.1:{port['containerPort']}{path}"
    asking = f"import urllib.request; print(urllib.request.urlopen({address!r}).status)"
    return int(exposed.sandbox.run("exec", sys.executable, "-c", asking).stdout)
