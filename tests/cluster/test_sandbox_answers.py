"""Requests from this machine that reach simulated pods through the real controllers."""

import http.client
import json
import ssl
import time
from collections.abc import Iterator
from functools import partial
from ipaddress import ip_address

import pytest

from sandbox.state import POD_NETWORK, Ports
from tests.cluster.sandboxes import PATIENCE_SECONDS, Sandbox

pytestmark = pytest.mark.cluster

HOST = "answers.example.com"
GATEWAY_HOST = "gateway.example.com"
APP = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: answers, namespace: answers}}
spec:
  replicas: 3
  selector: {{matchLabels: {{app: answers}}}}
  template:
    metadata: {{labels: {{app: answers}}}}
    spec: {{containers: [{{name: vllm, image: "example.com/vllm:1"}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: answers, namespace: answers}}
spec: {{selector: {{app: answers}}, ports: [{{port: 80, targetPort: 8000}}]}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: answers, namespace: answers}}
spec:
  ingressClassName: traefik
  rules:
  - host: {HOST}
    http:
      paths:
      - path: /v1
        pathType: Prefix
        backend: {{service: {{name: answers, port: {{number: 80}}}}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: answers, namespace: answers}}
spec:
  parentRefs: [{{name: traefik, namespace: traefik}}]
  hostnames: [{GATEWAY_HOST}]
  rules:
  - matches: [{{path: {{type: PathPrefix, value: /v1}}}}]
    backendRefs: [{{name: answers, port: 80}}]
"""


@pytest.fixture(scope="module")
def app(full_sandbox: Sandbox) -> Iterator[Sandbox]:
    """Three simulated pods behind an Ingress."""
    with full_sandbox.namespace("answers"):
        full_sandbox.apply(APP)
        rollout = ("rollout", "status", "deployment/answers", "--namespace=answers")
        full_sandbox.kubectl(*rollout, f"--timeout={PATIENCE_SECONDS:.0f}s")
        address = "--output=jsonpath={.status.loadBalancer.ingress[0].ip}"
        full_sandbox.eventually(
            "198.18.0.1", "get", "ingress", "answers", "--namespace=answers", address
        )
        until_it_answers(full_sandbox, HOST)
        yield full_sandbox


def until_it_answers(app: Sandbox, host: str) -> None:
    """Traefik writes what it accepts into a status some seconds before it does as it says."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (status := chat(to_ingress(app), host, messages=[]).status) != 200:
        assert time.monotonic() < deadline, status
        time.sleep(0.1)


def chat(
    connection: http.client.HTTPConnection, host: str = HOST, **asked: object
) -> http.client.HTTPResponse:
    connection.request("POST", "/v1/chat/completions", json.dumps(asked), {"Host": host})
    return connection.getresponse()


def to_ingress(app: Sandbox) -> http.client.HTTPConnection:
    port = Ports.counted_from(app.port_base).ingress
    return http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)


def test_every_pod_answers_at_its_own_address(app: Sandbox) -> None:
    pods = app.kubectl_json("get", "pods", "--namespace=answers")["items"]
    addresses = {pod["status"]["podIP"] for pod in pods}
    assert len(addresses) == 3
    assert all(ip_address(address) in POD_NETWORK.network for address in addresses)
    # Traefik reads a changed list of addresses some seconds later.
    deadline = time.monotonic() + PATIENCE_SECONDS
    answered: set[str] = set()
    while answered != addresses:
        assert time.monotonic() < deadline, f"only {answered} of {addresses}"
        said = json.load(chat(to_ingress(app), messages=[]))["choices"][0]["message"]["content"]
        answered.add(said.rpartition(" ")[2].rstrip("."))


def test_a_streamed_answer_arrives_in_pieces(app: Sandbox) -> None:
    connection = to_ingress(app)
    # Long enough that a client which a busy machine holds up still sees the pieces apart.
    slow = {"Host": HOST, "X-Stand-In-Seconds": "5"}
    connection.request("POST", "/v1/chat/completions", json.dumps({"stream": True}), slow)
    answer = connection.getresponse()
    assert answer.status == 200
    arrivals: list[float] = []
    while line := answer.readline():
        if line.startswith(b"data: "):
            arrivals.append(time.monotonic())
    assert len(arrivals) > 5
    assert arrivals[-1] - arrivals[0] > 0.3


def test_the_tls_entry_point_answers_with_a_certificate_of_its_own(app: Sandbox) -> None:
    port = Ports.counted_from(app.port_base).ingress_tls
    context = ssl.create_default_context()
    to_tls = partial(http.client.HTTPSConnection, timeout=PATIENCE_SECONDS, context=context)
    with pytest.raises(ssl.SSLCertVerificationError):
        chat(to_tls("127.0.0.1", port))
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    assert chat(to_tls("127.0.0.1", port), messages=[]).status == 200


def test_a_route_of_the_gateway_is_accepted_and_answers(app: Sandbox) -> None:
    condition = '--output=jsonpath={.status.parents[0].conditions[?(@.type=="Accepted")].status}'
    app.eventually("True", "get", "httproute", "answers", "--namespace=answers", condition)
    until_it_answers(app, GATEWAY_HOST)
