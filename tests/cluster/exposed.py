"""A stack whose way in the tests change, and what a client outside gets through the controller."""

import http.client
import json
import socket
import ssl
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sandbox.state import Ports
from tests.cluster.arguments import watched_arguments
from tests.cluster.sandboxes import PATIENCE_SECONDS, Sandbox
from tests.pulumi_project import STACK, PulumiProject, committed_stack_file

CHAT = "/v1/chat/completions"
LONGEST_SECONDS = 200.0
"""Without a byte; the longest answer that a test waits for takes a third of it."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def said(self) -> str:
        """The text of a chat completion."""
        return json.loads(self.body)["choices"][0]["message"]["content"]


@dataclass(frozen=True, kw_only=True)
class Exposed:
    """A stack in a namespace of its own, and the ports of its sandbox's controller."""

    project: PulumiProject
    sandbox: Sandbox
    namespace: str
    arguments: set[str]
    """Those of every process that ran since, a command line each."""

    def configure(self, **keys: object) -> None:
        """Replace whole keys of the stack's config."""
        values = [f"--plaintext={key}={json.dumps(value)}" for key, value in keys.items()]
        self.project.succeed("config", "set-all", *values)

    def up(self, **keys: object) -> str:
        """Deploy with changed keys, and return all that was said."""
        if keys:
            self.configure(**keys)
        return self.project.succeed("up", "--yes", "--skip-preview")

    def outputs(self) -> dict[str, Any]:
        """What the stack puts out."""
        return json.loads(self.project.succeed("stack", "output", "--json"))

    def app_host(self) -> str:
        """The scheme and host that the stack puts out."""
        return self.project.succeed("stack", "output", "appHost").strip()

    def all(self, kind: str, namespace: str | None = None) -> list[Any]:
        """The app's objects of a kind, in its own namespace unless told."""
        where = (f"--namespace={namespace or self.namespace}", f"--selector={_APP}")
        return self.sandbox.kubectl_json("get", kind, *where)["items"]

    def only(self, kind: str, namespace: str | None = None) -> Any:
        """The app's one object of a kind."""
        (found,) = self.all(kind, namespace)
        return found

    def ask(
        self,
        app_host: str,
        path: str = CHAT,
        headers: Mapping[str, str] | None = None,
        trusted: ssl.SSLContext | None = None,
    ) -> Reply:
        """Send a request with the Host of an address: a chat completion, or GET of another path."""
        with closing(connected(self.sandbox, app_host, trusted)) as connection:
            _request(connection, app_host, path, headers)
            answer = connection.getresponse()
            return Reply(status=answer.status, headers=dict(answer.headers), body=answer.read())

    def eventually(self, status: int, app_host: str, *where: Any, **how: Any) -> Reply:
        """Ask until the answer has a status: Traefik learns of a change some seconds later."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (reply := self.ask(app_host, *where, **how)).status != status:
            assert time.monotonic() < deadline, (reply.status, reply.body)
            time.sleep(0.2)
        return reply

    def arrivals(
        self,
        app_host: str,
        headers: Mapping[str, str] | None = None,
        trusted: ssl.SSLContext | None = None,
    ) -> Generator[float]:
        """Seconds from a request to each piece of its streamed answer, the last one its end."""
        with closing(connected(self.sandbox, app_host, trusted)) as connection:
            began = time.monotonic()
            _request(connection, app_host, CHAT, headers, stream=True)
            answer = connection.getresponse()
            assert answer.status == http.client.OK, answer.read()
            for data in _events(answer):
                if data:
                    yield time.monotonic() - began


_APP = "app.kubernetes.io/instance=vllm"


def counted(exposed: Exposed) -> int:
    """Requests to the app that the interceptor counted so far."""
    port = Ports.counted_from(exposed.sandbox.port_base).interceptor_admin
    queue = f"http://127.0.0.1:{port}/queue"
    asked = f"import urllib.request; print(urllib.request.urlopen('{queue}').read().decode())"
    counts = json.loads(exposed.sandbox.run("exec", sys.executable, "-c", asked).stdout)
    return counts.get(f"{exposed.namespace}/vllm", {"RequestCount": 0})["RequestCount"]


def wait_for_count(exposed: Exposed, expected: int) -> None:
    """Wait until requests that were sent in passing have been counted, so that others can be.

    The count of an app that does not scale any more goes, a moment after its route.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (count := counted(exposed)) != expected:
        assert time.monotonic() < deadline, count
        time.sleep(0.1)


def _request(
    connection: http.client.HTTPConnection,
    app_host: str,
    path: str,
    headers: Mapping[str, str] | None,
    *,
    stream: bool = False,
) -> None:
    host = {"Host": urlsplit(app_host).netloc}
    if path != CHAT:
        connection.request("GET", path, headers={**host, **(headers or {})})
        return
    asked = {"model": "any", "messages": [{"role": "user", "content": "Hello"}], "stream": stream}
    json_type = {"Content-Type": "application/json"}
    connection.request("POST", path, json.dumps(asked), {**host, **json_type, **(headers or {})})


def _events(answer: http.client.HTTPResponse) -> Iterator[str]:
    """Data of server-sent events up to `[DONE]`, without which the answer broke off."""
    data = ""
    while line := answer.readline():
        if line.startswith(b"data: "):
            data = line.decode().removeprefix("data: ").strip()
            yield data
    assert data == "[DONE]", data


def connected(
    sandbox: Sandbox, app_host: str, trusted: ssl.SSLContext | None = None
) -> http.client.HTTPConnection:
    """A connection to the controller, by the scheme and under the name of an address.

    Without a context, whatever certificate it shows is taken.
    """
    address, ports = urlsplit(app_host), Ports.counted_from(sandbox.port_base)
    host = address.hostname or ""
    secure = address.scheme == "https"
    port = ports.ingress_tls if secure else ports.ingress
    plain = socket.create_connection(("127.0.0.1", port), timeout=LONGEST_SECONDS)
    connection = http.client.HTTPConnection(host)
    connection.sock = plain
    if secure:
        context = trusted or _any_certificate()
        connection.sock = context.wrap_socket(plain, server_hostname=host)
    return connection


def _any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def exposed_stack(sandbox: Sandbox, folder: Path, namespace: str) -> Generator[Exposed]:
    """Lend the dev stack in a namespace of its own, not deployed yet, and destroy it."""
    project = PulumiProject(
        folder=folder / "checkout", backend=folder / "backend", kubeconfig=sandbox.kubeconfig
    ).check_out(committed_stack_file("dev"))
    project.succeed("stack", "init", STACK)
    with watched_arguments() as arguments:
        made = Exposed(project=project, sandbox=sandbox, namespace=namespace, arguments=arguments)
        made.configure(namespace={"name": namespace})
        yield made
    project.run("destroy", "--yes", "--skip-preview")
