"""Talk to a deployed model: `python examples/chat.py "Why is the sky blue?" --stream`.

The address and the model's name come from the options, from APP_HOST and SERVED_MODEL_NAME, or from
`pulumi stack output` in the folder of the program. A key is read from OPENAI_API_KEY, never from an
option, which other users of the machine could read. Needs nothing but Python 3.11.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
KEY_VARIABLE = "OPENAI_API_KEY"
PORTS = {"http": 80, "https": 443}

_REFUSALS = {
    401: f"the key is missing or wrong: set {KEY_VARIABLE} to one that the stack accepts",
    403: "the caller is known but may not use the model",
    404: "there is no such model or path there: compare --model with servedModelName",
    502: "the server does not answer: `make diagnose STACK=NAME` says why its pods do not run",
    503: "no server is ready: it may still start, `make diagnose STACK=NAME` says how far it is",
    504: "the answer took longer than something on its way allows",
}


class ChatError(Exception):
    """The model gave no answer; the message is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a model answers, under which name, and with which key.

    `connect` is a host and port to connect to instead of those of the address, whose name still
    goes into the Host header and the TLS handshake. `timeout` is in seconds, between two bytes.
    """

    app_host: str
    model: str
    key: str | None = None
    connect: tuple[str, int] | None = None
    timeout: float = 1800.0


def ask(endpoint: Endpoint, text: str, *, stream: bool) -> Iterator[str]:
    """Give the model's answer to one message: whole, or in pieces as they arrive.

    Raises:
        ChatError: there is no answer, or it broke off.
    """
    body = {
        "model": endpoint.model,
        "messages": [{"role": "user", "content": text}],
        "stream": stream,
    }
    try:
        with contextlib.closing(_connected(endpoint)) as connection:
            connection.request(
                "POST", "/v1/chat/completions", json.dumps(body), _headers(endpoint.key)
            )
            response = connection.getresponse()
            if response.status != 200:
                raise ChatError(_refusal(endpoint, response))
            yield from _pieces(response) if stream else [_whole(response)]
    except ssl.SSLCertVerificationError as error:
        raise ChatError(
            f"{endpoint.app_host}: its certificate is not trusted: {error.verify_message}"
        ) from None
    except TimeoutError:
        raise ChatError(
            f"{endpoint.app_host}: nothing came for {endpoint.timeout:g} seconds"
        ) from None
    except (OSError, HTTPException) as error:
        raise ChatError(f"{endpoint.app_host}: no connection, or it broke off: {error}") from None


def _connected(endpoint: Endpoint) -> HTTPConnection:
    address = urlsplit(endpoint.app_host)
    if address.scheme not in PORTS or not address.hostname:
        raise ChatError(
            f"{endpoint.app_host!r} is no address: write http:// or https:// and a host"
        )
    target = endpoint.connect or (address.hostname, address.port or PORTS[address.scheme])
    connection = HTTPConnection(address.hostname, address.port or PORTS[address.scheme])
    plain = socket.create_connection(target, timeout=endpoint.timeout)
    if address.scheme == "http":
        connection.sock = plain
    else:
        context = ssl.create_default_context()
        connection.sock = context.wrap_socket(plain, server_hostname=address.hostname)
    return connection


def _headers(key: str | None) -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    return headers | {"Authorization": f"Bearer {key}"} if key else headers


def _refusal(endpoint: Endpoint, response: HTTPResponse) -> str:
    try:
        said = json.loads(response.read(100_000))["error"]["message"]
    except (ValueError, KeyError, TypeError):
        said = response.reason
    meaning = _REFUSALS.get(response.status, str(said))
    return f"{endpoint.app_host} answered {response.status}: {' '.join(meaning.split())}"


def _whole(response: HTTPResponse) -> str:
    try:
        return _text(json.loads(response.read())["choices"][0]["message"])
    except (ValueError, LookupError, TypeError):
        raise ChatError("what came back is not a chat completion: check the address") from None


def _pieces(response: HTTPResponse) -> Iterator[str]:
    """Read server-sent events, which end with `data: [DONE]`."""
    for line in response:
        data = line.decode(errors="replace").strip().removeprefix("data:").strip()
        if data == "[DONE]":
            return
        if not line.startswith(b"data:"):
            continue
        try:
            event = json.loads(data)
            if "error" in event:
                raise ChatError(f"the server gave up: {event['error'].get('message', data)}")
            yield from (_text(choice["delta"]) for choice in event["choices"])
        except (ValueError, LookupError, TypeError, AttributeError):
            raise ChatError(
                "what came back is not a stream of completions: check the address"
            ) from None
    raise ChatError("the answer broke off before its end")


def _text(message: Mapping[str, Any]) -> str:
    return message.get("content") or ""


def stack_outputs(stack: str | None) -> dict[str, object]:
    """Read the outputs of the program's stack, the selected one unless named.

    Raises:
        ChatError: the `pulumi` command gives none.
    """
    named = ["--stack", stack] if stack else []
    remedy = "name the address with --host and the model with --model"
    try:
        done = subprocess.run(
            ["pulumi", "stack", "output", "--json", *named],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise ChatError(f"there is no `pulumi` on PATH to ask for the outputs: {remedy}") from None
    if done.returncode != 0:
        said = " ".join(done.stderr.removeprefix("error: ").split())
        raise ChatError(f"`pulumi stack output` failed: {said}; {remedy}")
    return cast("dict[str, object]", json.loads(done.stdout))


def _endpoint(options: argparse.Namespace) -> Endpoint:
    host = options.host or os.environ.get("APP_HOST")
    model = options.model or os.environ.get("SERVED_MODEL_NAME")
    if not (host and model):
        outputs = stack_outputs(options.stack)
        host, model = host or outputs.get("appHost"), model or outputs.get("servedModelName")
    if not (host and model):
        raise ChatError("the stack has no appHost: it is not deployed, or ingress.enabled is false")
    return Endpoint(
        app_host=str(host),
        model=str(model),
        key=os.environ.get(KEY_VARIABLE),
        connect=options.connect,
        timeout=options.timeout,
    )


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]") or "127.0.0.1", int(port)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="chat.py", description=__doc__)
    parser.add_argument("text", help="what to ask")
    parser.add_argument("--stream", action="store_true", help="print the answer as it arrives")
    parser.add_argument("--host", help="appHost of the stack, such as https://llm.example.com")
    parser.add_argument("--model", help="servedModelName of the stack")
    parser.add_argument("--stack", help="the stack whose outputs to read; default: the selected")
    parser.add_argument(
        "--connect", type=_address, metavar="HOST:PORT", help="connect there, whatever --host is"
    )
    parser.add_argument(
        "--timeout", type=float, default=1800.0, help="seconds without a byte; default: 1800"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Print an answer; the exit status is 1 if there is none."""
    options = _parser().parse_args(arguments)
    try:
        for piece in ask(_endpoint(options), options.text, stream=options.stream):
            print(piece, end="", flush=True)
        print()
    except ChatError as error:
        print(f"chat: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
