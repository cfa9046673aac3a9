"""The process that answers in place of the simulated pods; 127.0.0.2 and .3 are its pods here."""

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

import pytest

from sandbox.model_stand_in.__main__ import answer_control, answer_model, any_address
from sandbox.model_stand_in.http_server import serve_connection
from sandbox.model_stand_in.pods import Pods

PODS = ("127.0.0.2", "127.0.0.3")
CONTROL = "127.0.0.1"
CHAT = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hello"}]})


class Served:
    """A running stand-in; `problems` is what asyncio reported of it."""

    def __init__(self) -> None:
        self.ports: dict[str, int] = {}
        self.problems: list[dict[str, Any]] = []
        self.loop = asyncio.new_event_loop()
        self.ended = asyncio.Event()
        self.started = threading.Event()

    async def serve(self) -> None:
        self.loop.set_exception_handler(lambda _, problem: self.problems.append(problem))
        pods = Pods()
        models = [(address, pods.is_loaded, partial(answer_model, pods)) for address in PODS]
        for address, admits, handle in [
            *models,
            (CONTROL, any_address, partial(answer_control, pods)),
        ]:
            connection = partial(serve_connection, admits, handle)
            server = await asyncio.start_server(connection, address, 0)
            self.ports[address] = server.sockets[0].getsockname()[1]
        self.started.set()
        await self.ended.wait()

    def run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self.serve())

    @contextmanager
    def running(self) -> Generator[Self]:
        thread = threading.Thread(target=self.run)
        thread.start()
        assert self.started.wait(timeout=10)
        yield self
        self.loop.call_soon_threadsafe(self.ended.set)
        thread.join()

    def ask(
        self, address: str, method: str, path: str, body: str = "", **headers: str
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection(address, self.ports[address], timeout=10)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def tell(self, **values: Any) -> None:
        status, said = self.ask(CONTROL, "POST", "/pods", json.dumps(values))
        assert status == 200, said


@pytest.fixture
def served() -> Iterator[Served]:
    with Served().running() as made:
        yield made
    assert made.problems == []


def test_an_answer_says_that_no_model_ran_and_which_pod_answered(served: Served) -> None:
    status, body = served.ask(PODS[1], "POST", "/v1/chat/completions", CHAT)
    answer = json.loads(body)
    assert status == 200
    assert answer["model"] == "m"
    said = answer["choices"][0]["message"]["content"]
    assert "stand-in" in said
    assert PODS[1] in said


def test_a_realtime_connection_sends_back_what_arrives(served: Served) -> None:
    head = "GET /v1/realtime HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with socket.create_connection((PODS[0], served.ports[PODS[0]]), timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 101 ")
        connection.sendall(b"said")
        assert connection.recv(1000) == b"said"
    assert served.ask(PODS[0], "GET", "/v1/realtime")[0] == 404


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/embeddings"])
def test_the_other_endpoints_answer_in_their_shapes(served: Served, path: str) -> None:
    body = json.dumps({"prompt": "a", "input": ["a", "b"]})
    status, text = served.ask(PODS[0], "POST", path, body)
    answer = json.loads(text)
    assert status == 200
    assert answer["choices"][0]["text"] if path == "/v1/completions" else len(answer["data"]) == 2


def test_a_streamed_answer_is_one_event_per_word_and_says_when_it_is_done(served: Served) -> None:
    asked = json.dumps({"stream": True})
    status, body = served.ask(PODS[0], "POST", "/v1/chat/completions", asked)
    assert status == 200
    events = [event.removeprefix("data: ") for event in body.split("\n\n")[:-1]]
    assert events[-1] == "[DONE]"
    deltas = [json.loads(event)["choices"][0]["delta"] for event in events[:-1]]
    assert "stand-in" in "".join(delta.get("content", "") for delta in deltas)
    assert len(deltas) > 5


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_names_how_long_its_answer_takes(served: Served, stream: bool) -> None:
    began = time.monotonic()
    asked = json.dumps({"stream": stream})
    served.ask(PODS[0], "POST", "/v1/chat/completions", asked, X_Stand_In_Seconds="0.6")
    # As a pause between its pieces it would be 9 s.
    assert 0.5 < time.monotonic() - began < 8


def test_keys_close_the_api_but_neither_health_nor_metrics(served: Served) -> None:
    served.ask(CONTROL, "POST", "/api-keys", json.dumps({"keys": ["old", "new"]}))
    chat = partial(served.ask, PODS[0], "POST", "/v1/chat/completions", CHAT)
    assert chat() == (401, '{"error": "Unauthorized"}')
    assert chat(Authorization="Bearer wrong")[0] == 401
    assert chat(Authorization="Basic old")[0] == 401
    assert chat(Authorization="Bearer old")[0] == chat(Authorization="bearer new")[0] == 200
    assert served.ask(PODS[0], "GET", "/v1/models")[0] == 401
    assert served.ask(PODS[0], "GET", "/health")[0] == served.ask(PODS[0], "GET", "/metrics")[0]


def test_each_pod_accepts_keys_of_its_own_until_all_are_told_theirs(served: Served) -> None:
    def statuses(key: str) -> list[int]:
        bearer = f"Bearer {key}"
        asked = [served.ask(pod, "GET", "/v1/models", Authorization=bearer) for pod in PODS]
        return [status for status, _ in asked]

    served.ask(CONTROL, "POST", "/api-keys", json.dumps({"keys": ["old"]}))
    served.ask(CONTROL, "POST", "/api-keys", json.dumps({"address": PODS[1], "keys": ["new"]}))
    assert (statuses("old"), statuses("new")) == ([200, 401], [401, 200])
    served.ask(CONTROL, "POST", "/api-keys", json.dumps({"keys": ["new"]}))
    assert (statuses("old"), statuses("new")) == ([401, 401], [200, 200])


def test_each_pod_reports_what_it_is_told(served: Served) -> None:
    served.tell(requests_waiting=7, kv_cache_usage=0.5)
    served.tell(address=PODS[1], requests_waiting=1, requests_running=2)
    waiting = 'vllm:num_requests_waiting{engine="0",model_name="stand-in"}'
    first, second = (served.ask(address, "GET", "/metrics")[1] for address in PODS)
    assert f"{waiting} 7" in first
    assert f"{waiting} 1" in second
    assert 'vllm:kv_cache_usage_perc{engine="0",model_name="stand-in"} 0.5' in second
    assert 'vllm:num_requests_running{engine="0",model_name="stand-in"} 2' in second
    served.tell(requests_waiting=0)
    assert f"{waiting} 0" in served.ask(PODS[1], "GET", "/metrics")[1]


def test_the_time_to_the_first_token_is_a_histogram_that_grows_with_each_scrape(
    served: Served,
) -> None:
    served.tell(time_to_first_token_seconds=3)
    served.ask(PODS[0], "GET", "/metrics")
    metrics = served.ask(PODS[0], "GET", "/metrics")[1]
    name = "vllm:time_to_first_token_seconds"
    assert f'{name}_bucket{{engine="0",model_name="stand-in",le="2.5"}} 0' in metrics
    assert f'{name}_bucket{{engine="0",model_name="stand-in",le="5.0"}} 2' in metrics
    assert f'{name}_sum{{engine="0",model_name="stand-in"}} 6' in metrics


def test_a_pod_that_loads_closes_connections_while_the_others_answer(served: Served) -> None:
    served.tell(address=PODS[0], loading=True)
    with pytest.raises(ConnectionError):
        served.ask(PODS[0], "GET", "/health")
    assert served.ask(PODS[1], "GET", "/health")[0] == 200
    served.tell(address=PODS[0], loading=False)
    assert served.ask(PODS[0], "GET", "/health")[0] == 200


def test_a_pod_that_loads_closes_a_connection_at_its_request_and_not_before(served: Served) -> None:
    served.tell(address=PODS[0], loading=True)
    with socket.create_connection((PODS[0], served.ports[PODS[0]]), timeout=0.2) as connection:
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(10)
        connection.sendall(b"GET /health HTTP/1.1\r\n\r\n")
        assert connection.recv(1) == b""


def test_answers_are_counted_by_pod_and_status(served: Served) -> None:
    served.ask(PODS[0], "POST", "/v1/chat/completions", CHAT)
    served.ask(PODS[0], "POST", "/v1/chat/completions", "no JSON")
    served.ask(PODS[1], "GET", "/unknown")
    state = json.loads(served.ask(CONTROL, "GET", "/pods")[1])
    assert state[PODS[0]]["answers"] == {"200": 1, "400": 1}
    assert state[PODS[1]]["answers"] == {"404": 1}


def test_an_unknown_value_is_refused_with_the_known_ones(served: Served) -> None:
    status, said = served.ask(CONTROL, "POST", "/pods", json.dumps({"colour": 1}))
    assert status == 400
    assert "colour: unknown; the names are" in said
    assert "kv_cache_usage" in said


def test_a_body_in_chunks_is_read(served: Served) -> None:
    connection = http.client.HTTPConnection(PODS[0], served.ports[PODS[0]], timeout=10)
    pieces = iter([CHAT[:5].encode(), CHAT[5:].encode()])
    for _ in range(2):
        connection.request("POST", "/v1/chat/completions", pieces, encode_chunked=True)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["model"]) == (200, "m")
        pieces = iter([CHAT.encode()])


def test_a_connection_that_is_open_at_the_end_is_closed_without_an_error() -> None:
    with Served().running() as served:
        connection = http.client.HTTPConnection(PODS[0], served.ports[PODS[0]], timeout=10)
        connection.request("GET", "/health")
        assert connection.getresponse().read() == b""
    assert served.problems == []
    assert connection.sock.recv(1) == b""
