"""Every way in, through the real Traefik and interceptor, to what answers in place of vLLM."""

import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from sandbox.state import Ports
from tests.cluster.exposed import Exposed, counted, exposed_stack, wait_for_count
from tests.cluster.sandboxes import Sandbox
from tests.pulumi_project import ROOT

pytestmark = pytest.mark.cluster

NAMESPACE = "llm-expose"
EDGE = "llm-edge"
OF_THE_SANDBOX = {"kind": "gateway", "gateway": {"name": "traefik", "namespace": "traefik"}}
BY_CONTROLLER = {"tls": {"kind": "controller"}}
WITH_TLS = {"kind": "gateway", "gateway": {"name": "public", "namespace": EDGE}, **BY_CONTROLLER}
SECRET_HOST, GATEWAY_HOSTS = "own.example.com", ("closed.example.com", "closed-scaled.example.com")
HIDDEN = (
    *("/metrics", "/health", "/version", "/docs", "/openapi.json", "/", "/v1x", "/v1x/models"),
    *("/v1/../metrics", "/v1/%2e%2e/metrics", "//metrics", "/metrics?/v1/", "/METRICS"),
    *("/ping", "/tokenize", "/invocations", "/v2/rerank", "/inference/v1"),
)
LONG_SECONDS = 65.0
"""Beyond the 60 s that Traefik's entry point and many proxies have as a limit, and the 10 s of the
sandbox's interceptor."""

TEN_MINUTES = 600


@dataclass(frozen=True, kw_only=True)
class Way:
    """A config of the way in, with a host of its own, as Traefik forgets a route with delay."""

    host: str
    ingress: dict[str, Any] = field(default_factory=dict[str, Any])
    scaled: bool = False
    certified: bool = False
    """Whether its certificate is the tests' own, not one that Traefik made."""

    long: bool = False
    """Whether answers of more than a minute begin here."""


WAYS = {
    "ingress": Way(host="plain.example.com", long=True),
    "gateway": Way(host="route.example.com", ingress=OF_THE_SANDBOX, long=True),
    "ingress-scaled": Way(host="counted.example.com", scaled=True, long=True),
    "gateway-scaled": Way(
        host="route-counted.example.com", ingress=OF_THE_SANDBOX, scaled=True, long=True
    ),
    "ingress-tls-secret": Way(
        host=SECRET_HOST, ingress={"tls": {"secretName": "own"}}, certified=True
    ),
    "ingress-tls": Way(host="tls.example.com", ingress=BY_CONTROLLER),
    "ingress-tls-scaled": Way(host="tls-counted.example.com", ingress=BY_CONTROLLER, scaled=True),
    "gateway-tls": Way(host=GATEWAY_HOSTS[0], ingress=WITH_TLS, certified=True),
    "gateway-tls-scaled": Way(host=GATEWAY_HOSTS[1], ingress=WITH_TLS, scaled=True, certified=True),
}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The stack, a certificate of the tests' own, and the long answers that are under way."""

    exposed: Exposed
    certificate: Path
    long: dict[str, tuple[Future[str], Future[list[float]]]]
    threads: ThreadPoolExecutor


@dataclass(frozen=True, kw_only=True)
class Open:
    """A way in that has answered."""

    way: Way
    exposed: Exposed
    outputs: dict[str, Any]
    certificate: Path
    said: str

    @property
    def app_host(self) -> str:
        return self.outputs["appHost"]

    @property
    def trusted(self) -> ssl.SSLContext | None:
        if not self.way.certified:
            return None
        return ssl.create_default_context(cafile=str(self.certificate))


def own_certificate(folder: Path, *hosts: str) -> Path:
    """A certificate for hosts that signs itself, and its key beside it."""
    certificate = folder / "tls.crt"
    names = ",".join(f"DNS:{host}" for host in hosts)
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=tests", "-addext", f"subjectAltName={names}"),
            *("-keyout", folder / "tls.key", "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    return certificate


def apply_certificate(sandbox: Sandbox, certificate: Path, name: str, namespace: str) -> None:
    files = {"tls.crt": certificate, "tls.key": certificate.with_suffix(".key")}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": "kubernetes.io/tls",
        "stringData": {key: file.read_text() for key, file in files.items()},
    }
    sandbox.apply(json.dumps(secret))


def gateway_with_tls(sandbox: Sandbox) -> str:
    listener = {
        "name": "https",
        "protocol": "HTTPS",
        "port": Ports.counted_from(sandbox.port_base).ingress_tls,
        "tls": {"certificateRefs": [{"name": "own"}]},
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    gateway = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "public", "namespace": EDGE},
        "spec": {"gatewayClassName": "traefik", "listeners": [listener]},
    }
    return json.dumps(gateway)


@pytest.fixture(scope="module")
def stage(full_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("expose")
    certificate = own_certificate(folder, SECRET_HOST, *GATEWAY_HOSTS)
    threads = ThreadPoolExecutor(max_workers=2 * len(WAYS))
    with (
        exposed_stack(full_sandbox, folder, NAMESPACE) as exposed,
        full_sandbox.namespace(EDGE),
        threads,
    ):
        apply_certificate(full_sandbox, certificate, "own", EDGE)
        full_sandbox.apply(gateway_with_tls(full_sandbox))
        yield Stage(exposed=exposed, certificate=certificate, long={}, threads=threads)


@pytest.fixture(scope="module", params=WAYS)
def way_in(request: pytest.FixtureRequest, stage: Stage) -> Open:
    """The stack with one way in after the other; answers that take long go on meanwhile."""
    way, exposed = WAYS[request.param], stage.exposed
    exposed.configure(ingress={"host": way.host} | way.ingress, autoscaling={"enabled": way.scaled})
    if "secretName" in way.ingress.get("tls", {}):
        apply_certificate(exposed.sandbox, stage.certificate, "own", NAMESPACE)
    exposed.up()
    outputs = exposed.outputs()
    said = exposed.eventually(200, outputs["appHost"]).said
    if way.long:
        before = counted(exposed)
        slow = {"X-Stand-In-Seconds": f"{LONG_SECONDS:g}"}
        whole = stage.threads.submit(lambda: exposed.ask(outputs["appHost"], headers=slow).said)
        pieces = stage.threads.submit(lambda: [*exposed.arrivals(outputs["appHost"], slow)])
        stage.long[request.param] = whole, pieces
        if way.scaled:
            wait_for_count(exposed, before + 2)
    if not way.scaled:
        wait_for_count(exposed, 0)
    return Open(way=way, exposed=exposed, outputs=outputs, certificate=stage.certificate, said=said)


def test_the_printed_address_answers_by_way_of_the_interceptor_where_it_scales(
    way_in: Open,
) -> None:
    address = urlsplit(str(way_in.outputs["chatCompletionsUrl"]))
    reply = way_in.exposed.ask(way_in.app_host, address.path, trusted=way_in.trusted)
    assert reply.status == 200
    assert "No model ran" in reply.said
    # The interceptor reaches a Service at 127.0.0.1 here, and Traefik each pod at its own address.
    assert reply.said.endswith(" 127.0.0.1.") == way_in.way.scaled


def test_requests_are_counted_where_the_stack_scales_by_them(way_in: Open) -> None:
    before = counted(way_in.exposed)
    for _ in range(3):
        assert way_in.exposed.ask(way_in.app_host).status == 200
    after = counted(way_in.exposed)
    assert after - before == (3 if way_in.way.scaled else 0)


def test_nothing_but_the_api_is_there_for_those_outside(way_in: Open) -> None:
    seen = {path: way_in.exposed.ask(way_in.app_host, path) for path in HIDDEN}
    assert {
        path: reply.status for path, reply in seen.items() if reply.status not in {400, 404}
    } == {}
    assert seen["/metrics"].status == seen["/health"].status == 404
    # So does the server say that it does not know a path.
    reached = {path for path, reply in seen.items() if b'"detail"' in reply.body}
    assert not [path for path in reached if not path.startswith("/v1")]
    assert way_in.exposed.ask(way_in.app_host, "/v1/models").status == 200


def test_http_is_answered_only_where_the_address_says_it(way_in: Open) -> None:
    status = way_in.exposed.ask(f"http://{way_in.way.host}").status
    assert status == (200 if way_in.app_host.startswith("http:") else 404)


def test_a_streamed_answer_arrives_in_pieces(way_in: Open) -> None:
    slow = {"X-Stand-In-Seconds": "15"}
    with closing(way_in.exposed.arrivals(way_in.app_host, slow, way_in.trusted)) as arrivals:
        *_, third = islice(arrivals, 3)
    assert third < 15  # Held back on the way, none would come before the last.


def test_the_example_client_talks_to_the_address(way_in: Open) -> None:
    ports = Ports.counted_from(way_in.exposed.sandbox.port_base)
    secure = way_in.app_host.startswith("https:")
    done = subprocess.run(
        [
            *(sys.executable, ROOT / "examples" / "chat.py", "Hello", "--stream"),
            f"--connect=127.0.0.1:{ports.ingress_tls if secure else ports.ingress}",
            f"--host={way_in.app_host}",
            f"--model={way_in.outputs['servedModelName']}",
        ],
        env=os.environ | {"SSL_CERT_FILE": str(way_in.certificate)},
        capture_output=True,
        text=True,
        check=False,
    )
    if secure and not way_in.way.certified:
        assert done.returncode == 1
        assert "its certificate is not trusted" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    assert "No model ran" in done.stdout


def seconds(duration: str) -> int:
    """Seconds of `1h2m3s`."""
    parts = re.findall(r"(\d+)([hms])", duration)
    assert "".join(count + unit for count, unit in parts) == duration
    return sum(int(count) * {"h": 3600, "m": 60, "s": 1}[unit] for count, unit in parts)


def test_no_object_on_the_way_limits_an_answer_to_ten_minutes(way_in: Open) -> None:
    routes = way_in.exposed.all("httproutes.gateway.networking.k8s.io")
    limits = [rule["timeouts"] for route in routes for rule in route["spec"]["rules"]]
    if way_in.way.scaled:
        limits.append(way_in.exposed.only("interceptorroutes.http.keda.sh")["spec"]["timeouts"])
    expected = ("kind" in way_in.way.ingress) + way_in.way.scaled
    assert len(limits) == expected
    shown = [(name, text) for limit in limits for name, text in limit.items()]
    assert not [
        (name, text) for name, text in shown if name != "readiness" and seconds(text) <= TEN_MINUTES
    ]


def test_traefik_here_has_the_limits_that_it_comes_with(full_sandbox: Sandbox) -> None:
    command = Path(f"/proc/{full_sandbox.pids()['traefik']}/cmdline").read_text()
    assert "--entrypoints.web.address" in command
    assert "timeout" not in command.lower()


def test_the_longest_answer_that_the_stack_allows_is_what_limits_one(stage: Stage) -> None:
    """With a limit of 15 s, so the routes' own limits are what an answer meets."""
    exposed = stage.exposed
    exposed.up(
        ingress={"host": "short.example.com"}, autoscaling={"enabled": True}, requestSeconds=15
    )
    app_host = exposed.app_host()
    exposed.eventually(200, app_host)
    assert exposed.ask(app_host, headers={"X-Stand-In-Seconds": "1"}).status == 200
    assert exposed.ask(app_host, headers={"X-Stand-In-Seconds": "60"}).status == 504


def test_an_answer_of_over_a_minute_is_whole_though_the_way_in_changed_meanwhile(
    stage: Stage,
) -> None:
    assert set(stage.long) == {name for name, way in WAYS.items() if way.long}
    for whole, pieces in stage.long.values():
        assert "No model ran" in whole.result()
        assert pieces.result()[-1] >= LONG_SECONDS - 1
