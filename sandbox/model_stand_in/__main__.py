"""Serves the model's port for all pods, and a port of 127.0.0.1 that controls what they report."""

import argparse
import asyncio
import hmac
import signal
import time
from functools import partial
from http import HTTPStatus

from sandbox.model_stand_in import answers
from sandbox.model_stand_in.http_server import Answer, Request, serve_connection
from sandbox.model_stand_in.pods import Pods

# A request's header: how many seconds its answer takes, whole or from first to last piece.
SECONDS_HEADER = "x-stand-in-seconds"
_PIECE_SECONDS = 0.05
_FIRST_PIECE_SECONDS = 0.1
"""Before a stream begins, as no model's first token comes at once.

A proxy written in Go cuts a stream that begins before it has seen the end of the request's body
(golang/go#40747), which takes a few milliseconds on a busy machine.
"""

_REALTIME = "/v1/realtime"
_BACKLOG = 1024


async def answer_model(pods: Pods, request: Request, answer: Answer) -> None:
    """Answer a request to vLLM."""
    pods.begin(request.address)
    try:
        await _route(pods, request, answer)
    finally:
        pods.end(request.address, answer.status)


async def _route(pods: Pods, request: Request, answer: Answer) -> None:
    path = request.path
    if path.startswith("/v1") and not _is_authorized(pods, request):
        await answer.send_json(HTTPStatus.UNAUTHORIZED, {"error": "Unauthorized"})
    elif path == "/health":
        await answer.send(HTTPStatus.OK, b"")
    elif path == "/metrics":
        metrics = pods.metrics(request.address).encode()
        await answer.send(HTTPStatus.OK, metrics, "text/plain; version=0.0.4; charset=utf-8")
    elif path == "/v1/models":
        await answer.send_json(HTTPStatus.OK, answers.models())
    elif path == _REALTIME and (protocol := request.headers.get("upgrade")):
        # No frames are read: what passes both ways is enough to show that the way lets it.
        await answer.echo(protocol)
    elif path not in {"/v1/chat/completions", "/v1/completions", "/v1/embeddings"}:
        await answer.send_json(HTTPStatus.NOT_FOUND, {"detail": "Not Found"})
    elif request.method != "POST":
        await answer.send_json(HTTPStatus.METHOD_NOT_ALLOWED, {"detail": "Method Not Allowed"})
    else:
        await _infer(pods, request, answer)


def _is_authorized(pods: Pods, request: Request) -> bool:
    """Decide as vLLM does with `--api-key`."""
    keys = pods.keys(request.address)
    if not keys or request.method == "OPTIONS":
        return True
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    given = key.encode()
    matches = [hmac.compare_digest(given, known.encode()) for known in keys]
    return scheme.lower() == "bearer" and any(matches)


async def _infer(pods: Pods, request: Request, answer: Answer) -> None:
    began = time.monotonic()
    told = pods.told(request.address)
    try:
        asked = request.json_object()
        seconds = float(request.headers.get(SECONDS_HEADER, told.answer_seconds))
    except ValueError as error:
        mistake = answers.mistake(str(error), HTTPStatus.BAD_REQUEST)
        await answer.send_json(HTTPStatus.BAD_REQUEST, mistake)
        return
    chat = request.path == "/v1/chat/completions"
    if asked.get("stream") and request.path != "/v1/embeddings":
        events = answers.events(asked, request.address, chat=chat)
        pause = seconds / (len(events) - 1) if seconds else _PIECE_SECONDS
        await asyncio.sleep(_FIRST_PIECE_SECONDS)
        await answer.begin_events()
        pods.first_token(request.address, time.monotonic() - began)
        for number, event in enumerate(events):
            await asyncio.sleep(pause if number else 0)
            await answer.send_event(event)
        await answer.end_events()
        return
    await asyncio.sleep(seconds)
    pods.first_token(request.address, time.monotonic() - began)
    if request.path == "/v1/embeddings":
        await answer.send_json(HTTPStatus.OK, answers.embeddings(asked))
    else:
        make = answers.chat_completion if chat else answers.completion
        await answer.send_json(HTTPStatus.OK, make(asked, request.address))


async def answer_control(pods: Pods, request: Request, answer: Answer) -> None:
    """Answer a test: GET /pods shows, POST /pods tells, POST /api-keys sets the accepted keys."""
    try:
        if (request.method, request.path) == ("POST", "/pods"):
            asked = request.json_object()
            pods.tell(asked.pop("address", None), asked)
        elif (request.method, request.path) == ("POST", "/api-keys"):
            asked = request.json_object()
            pods.accept(asked.get("address"), frozenset(asked["keys"]))
        elif (request.method, request.path) != ("GET", "/pods"):
            await answer.send_json(HTTPStatus.NOT_FOUND, {"detail": "Not Found"})
            return
    except (ValueError, KeyError) as error:
        await answer.send_json(HTTPStatus.BAD_REQUEST, {"detail": str(error)})
        return
    await answer.send_json(HTTPStatus.OK, pods.state())


def any_address(_address: str) -> bool:
    """Admit every connection."""
    return True


async def serve(model_port: int, control_port: int) -> None:
    """Serve both ports until SIGTERM."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    pods = Pods()
    parts = (
        (pods.is_loaded, partial(answer_model, pods), "0.0.0.0", model_port),  # noqa: S104 - every pod
        (any_address, partial(answer_control, pods), "127.0.0.1", control_port),
    )
    for admits, handle, host, port in parts:
        connection = partial(serve_connection, admits, handle)
        await asyncio.start_server(connection, host, port, backlog=_BACKLOG)
    await ended.wait()


def main() -> None:
    """Read the ports from the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.model_stand_in", description=__doc__)
    parser.add_argument("model_port", type=int)
    parser.add_argument("control_port", type=int)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.model_port, arguments.control_port))


if __name__ == "__main__":
    main()
