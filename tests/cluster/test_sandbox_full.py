"""Autoscaling and routing by the real KEDA, HTTP add-on and Traefik."""

import http.client
import json
import time
from collections.abc import Iterator

import pytest

from sandbox.state import Ports
from tests.cluster.sandboxes import PATIENCE_SECONDS, Sandbox

pytestmark = pytest.mark.cluster

HOST = "vllm.example.com"
MANAGED = "the workload 'vllm' of type 'apps/v1.Deployment' is already managed by"
APP = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: vllm, namespace: llm}}
spec:
  selector: {{matchLabels: {{app: vllm}}}}
  template:
    metadata: {{labels: {{app: vllm}}}}
    spec: {{containers: [{{name: vllm, image: "example.com/vllm:1"}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: vllm, namespace: llm}}
spec: {{selector: {{app: vllm}}, ports: [{{port: 8000}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: interceptor, namespace: llm}}
spec:
  type: ExternalName
  externalName: keda-add-ons-http-interceptor-proxy.keda.svc.cluster.local
  ports: [{{port: 8080}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: vllm, namespace: llm}}
spec:
  ingressClassName: traefik
  rules:
  - host: {HOST}
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {{service: {{name: interceptor, port: {{number: 8080}}}}}}
---
apiVersion: http.keda.sh/v1beta1
kind: InterceptorRoute
metadata: {{name: vllm, namespace: llm}}
spec:
  rules: [{{hosts: [{HOST}]}}]
  target: {{service: vllm, port: 8000}}
  scalingMetric: {{requestRate: {{targetValue: 5, window: 5s, granularity: 1s}}}}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {{name: vllm, namespace: llm}}
spec:
  scaleTargetRef: {{name: vllm}}
  minReplicaCount: 1
  maxReplicaCount: 2
  triggers:
  - type: external-push
    metadata:
      scalerAddress: keda-add-ons-http-external-scaler.keda:9090
      interceptorRoute: vllm
"""


@pytest.fixture(scope="module")
def app(full_sandbox: Sandbox) -> Iterator[Sandbox]:
    """A scaled app whose pods are simulated, and whose backend is the stand-in in their place."""
    with full_sandbox.namespace("llm"):
        full_sandbox.apply(APP)
        yield full_sandbox


def ask(port: int, host: str = HOST) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    connection.request("GET", "/v1/models", headers={"Host": host})
    return connection.getresponse().status


def test_a_scaled_object_becomes_ready_and_has_an_autoscaler(app: Sandbox) -> None:
    ready = '--output=jsonpath={.status.conditions[?(@.type=="Ready")].status}'
    app.eventually("True", "get", "scaledobject", "vllm", "--namespace=llm", ready)
    scaler = app.kubectl_json("get", "hpa", "keda-hpa-vllm", "--namespace=llm")
    assert scaler["spec"]["maxReplicas"] == 2


def test_external_metrics_are_served_through_the_api_server(full_sandbox: Sandbox) -> None:
    group = "/apis/external.metrics.k8s.io/v1beta1"
    assert "externalmetrics" in full_sandbox.kubectl("get", "--raw", group)


def test_a_second_scaled_object_on_one_deployment_is_refused(app: Sandbox) -> None:
    second = APP.rpartition("---")[2].replace("{name: vllm, namespace", "{name: second, namespace")
    # The webhook learns of the first by a watch of its own.
    deadline = time.monotonic() + PATIENCE_SECONDS
    trial = ("create", "--dry-run=server", "--filename=-")
    while MANAGED not in (tried := app.try_kubectl(*trial, given=second)).stderr:
        assert time.monotonic() < deadline, tried.stdout + tried.stderr
        time.sleep(0.1)
    done = app.try_kubectl("create", "--filename=-", given=second)
    assert done.returncode == 1
    assert MANAGED in done.stderr


def test_requests_from_this_machine_pass_traefik_and_the_interceptor_and_scale_the_app(
    app: Sandbox,
) -> None:
    ports = Ports.counted_from(app.port_base)
    address = "--output=jsonpath={.status.loadBalancer.ingress[0].ip}"
    app.eventually("198.18.0.1", "get", "ingress", "vllm", "--namespace=llm", address)
    app.eventually("True", "get", "interceptorroute", "vllm", "--namespace=llm")
    deadline = time.monotonic() + PATIENCE_SECONDS
    # Traefik and the interceptor do as they have written into a status some seconds later.
    while (status := ask(ports.ingress)) != 200:
        assert time.monotonic() < deadline, status
        time.sleep(0.1)
    assert [ask(ports.ingress) for _ in range(200)] == [200] * 200
    assert ask(ports.interceptor) == 200
    assert ask(ports.ingress, "unknown.example.com") == 404
    replicas = "--output=jsonpath={.status.replicas}"
    # The rate is one of 5 s, and as long may pass until the autoscaler looks.
    while app.kubectl("get", "deployment", "vllm", "--namespace=llm", replicas) != "2":
        assert time.monotonic() < deadline
        assert [ask(ports.ingress) for _ in range(50)] == [200] * 50


def test_where_a_route_has_no_limit_the_interceptor_gives_an_answer_ten_seconds(
    app: Sandbox,
) -> None:
    """So an answer that takes longer shows that the limit of its own route holds."""
    port = Ports.counted_from(app.port_base).ingress
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (status := ask(port)) != 200:
        assert time.monotonic() < deadline, status
        time.sleep(0.1)
    assert [chat_status(port, seconds) for seconds in (1, 15)] == [200, 504]


def chat_status(port: int, seconds: int) -> int:
    """The status of a chat completion whose answer takes so long."""
    headers = {"Host": HOST, "Content-Type": "application/json", "X-Stand-In-Seconds": f"{seconds}"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    connection.request("POST", "/v1/chat/completions", json.dumps({"model": "any"}), headers)
    return connection.getresponse().status
