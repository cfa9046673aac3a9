"""Requests of other kinds than a chat's: large bodies, and connections that stay open both ways."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.cluster.exposed import CHAT, Exposed, connected, exposed_stack
from tests.cluster.sandboxes import Sandbox

pytestmark = pytest.mark.cluster

NAMESPACE = "llm-expose-kinds"
GATEWAY = {"kind": "gateway", "gateway": {"name": "traefik", "namespace": "traefik"}}
WAYS: dict[str, tuple[dict[str, Any], bool]] = {
    "ingress": ({"host": "kinds.example.com"}, False),
    "gateway": ({"host": "kinds-route.example.com"} | GATEWAY, False),
    "ingress-scaled": ({"host": "kinds-counted.example.com"}, True),
    "gateway-scaled": ({"host": "kinds-route-counted.example.com"} | GATEWAY, True),
}
LARGE_BYTES = 48 * 2**20
"""More than vLLM takes of a recording, 25 MB (VLLM_MAX_AUDIO_CLIP_FILESIZE_MB)."""


@pytest.fixture(scope="module")
def stack(full_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exposed]:
    with exposed_stack(full_sandbox, tmp_path_factory.mktemp("kinds"), NAMESPACE) as made:
        yield made


@pytest.fixture(scope="module", params=WAYS)
def address(request: pytest.FixtureRequest, stack: Exposed) -> str:
    """Each way in, which answers."""
    ingress, scaled = WAYS[request.param]
    stack.up(ingress=ingress, autoscaling={"enabled": scaled})
    app_host = stack.app_host()
    stack.eventually(200, app_host)
    return app_host


def test_nothing_on_the_way_limits_a_body(stack: Exposed, address: str) -> None:
    content = "x" * LARGE_BYTES
    asked = {"model": "any", "messages": [{"role": "user", "content": content}]}
    headers = {"Host": urlsplit(address).netloc, "Content-Type": "application/json"}
    with closing(connected(stack.sandbox, address)) as connection:
        connection.request("POST", CHAT, json.dumps(asked), headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        assert b"No model ran" in answer.read()


def test_a_connection_may_become_one_that_both_sides_write_to(stack: Exposed, address: str) -> None:
    """As the WebSocket of /v1/realtime does."""
    lines = (
        "GET /v1/realtime HTTP/1.1",
        f"Host: {urlsplit(address).netloc}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: bm90LWEtcmVhbC1rZXkhIQ==",
    )
    with closing(connected(stack.sandbox, address)) as connection:
        plain: socket.socket = connection.sock
        plain.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += plain.recv(1) or pytest.fail(f"it ended after {head!r}")
        assert head.startswith(b"HTTP/1.1 101 "), head
        for said in (b"one", b"another"):
            plain.sendall(said)
            assert plain.recv(100) == said
