"""The autoscaler's queries, answered by a real Prometheus about pods of several apps."""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from planning.names import Names
from planning.triggers import plan_triggers
from settings.autoscaling import Autoscaling
from tests.cluster.sandboxes import PATIENCE_SECONDS, free_port_base
from tools import locate

pytestmark = pytest.mark.cluster

OWN = ("vllm-7d9f8c6b54-x2x4z", "vllm-7d9f8c6b54-b2b4b")
OTHERS = (("llm", "vllm-big-7d9f8c6b54-x2x4z"), ("elsewhere", OWN[0]))
GAUGES = {
    OWN[0]: {"num_requests_waiting": 3, "num_requests_running": 4, "kv_cache_usage_perc": 0.5},
    # An older version names its cache otherwise.
    OWN[1]: {"num_requests_waiting": 1, "num_requests_running": 2, "gpu_cache_usage_perc": 0.7},
}
FOREIGN = {
    "num_requests_waiting": 100,
    "num_requests_running": 100,
    "kv_cache_usage_perc": 1,
    "gpu_cache_usage_perc": 1,
}
TARGETS = {
    "requestsWaiting": 1,
    "concurrency": 1,
    "kvCacheUsage": 0.5,
    "timeToFirstTokenSeconds": 1.0,
    "prometheus": {"address": "http://prometheus:9090"},
}
QUERIES = {
    trigger.name: dict(trigger.metadata)["query"]
    for trigger in plan_triggers(
        Names(app="vllm", namespace="llm", stack="dev"), Autoscaling.model_validate(TARGETS)
    )
}


@dataclass
class Pods:
    """What the pods' /metrics say: gauges, and how many first tokens came between 1 and 2 s."""

    alive: bool = True
    answered: int = 0

    def text(self, path: str) -> str:
        """The page of the pod at `/namespace/pod`."""
        _, namespace, pod = path.split("/")
        gauges = GAUGES[pod] if namespace == "llm" and pod in GAUGES else FOREIGN
        foreign = gauges is FOREIGN
        counts = (0, 50, 50) if foreign else (0, self.answered, self.answered)
        bounds = ("1.0", "2.0", "+Inf")
        buckets = "time_to_first_token_seconds_bucket"
        lines = [f'vllm:{name}{{engine="0"}} {value}' for name, value in gauges.items()]
        lines += [
            f'vllm:{buckets}{{engine="0",le="{bound}"}} {count}'
            for bound, count in zip(bounds, counts, strict=True)
        ]
        return "\n".join([*lines, ""])


@dataclass(frozen=True, kw_only=True)
class Scraped:
    """A Prometheus that scrapes the pods each second."""

    port: int
    pods: Pods

    def ask(self, name: str) -> list[float]:
        """Ask a trigger's query, and give the values of what it finds."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        query = urllib.parse.urlencode({"query": QUERIES[name]})
        connection.request("GET", f"/api/v1/query?{query}")
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise ConnectionError(answer.read().decode())
        found: dict[str, Any] = json.load(answer)
        return [float(item["value"][1]) for item in found["data"]["result"]]

    def eventually(self, name: str, expected: list[float]) -> None:
        """Ask until the values are those expected."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        seen: list[float] | None = None
        while seen != pytest.approx(expected):
            assert time.monotonic() < deadline, f"{name}: {seen}, not {expected}"
            try:
                seen = self.ask(name)
            except OSError:
                seen = None
            time.sleep(0.2)


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    """The pods, and Prometheus in a directory of its own, both on loopback."""
    pods, base = Pods(), free_port_base()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pods.text(self.path).encode()
            self.send_response(200 if pods.alive else 503)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the standard library
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", base), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folder = tmp_path_factory.mktemp("prometheus")
    process = _start(folder, base)
    yield Scraped(port=base + 1, pods=pods)
    process.terminate()
    process.wait(timeout=PATIENCE_SECONDS)
    server.shutdown()


def _start(folder: Path, base: int) -> subprocess.Popen[bytes]:
    targets = [*(("llm", pod) for pod in OWN), *OTHERS]
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [
            {
                "job_name": f"{namespace}/{pod}",
                "metrics_path": f"/{namespace}/{pod}",
                "static_configs": [
                    {
                        "targets": [f"127.0.0.1:{base}"],
                        "labels": {"namespace": namespace, "pod": pod},
                    }
                ],
            }
            for namespace, pod in targets
        ],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [
                locate.program("prometheus"),
                f"--config.file={folder / 'prometheus.yaml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{base + 1}",
            ],
            stdout=log,
            stderr=log,
        )


def test_totals_and_means_are_of_this_apps_pods_only(scraped: Scraped) -> None:
    scraped.eventually("requests-waiting", [4])
    scraped.eventually("concurrency", [10])
    scraped.eventually("kv-cache-usage", [0.6])


def test_the_time_to_the_first_token_is_none_without_requests_and_then_theirs(
    scraped: Scraped,
) -> None:
    scraped.eventually("time-to-first-token", [0])
    scraped.pods.answered = 100
    scraped.eventually("time-to-first-token", [1.95])


@pytest.mark.parametrize("name", QUERIES)
def test_of_pods_that_are_not_scraped_there_is_no_value_that_looks_like_calm(
    scraped: Scraped, name: str
) -> None:
    scraped.pods.alive = False
    scraped.eventually(name, [])
