"""Prometheus in the sandbox: what it scrapes, and that KEDA reads it."""

import http.client
import json
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.state import Ports
from tests.cluster.sandboxes import PATIENCE_SECONDS, Sandbox

pytestmark = pytest.mark.cluster

APP = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: measured, namespace: measured}}
spec:
  selector: {{matchLabels: {{app: measured}}}}
  template:
    metadata: {{labels: {{app: measured}}}}
    spec:
      containers:
      - {{name: vllm, image: "example.com/vllm:1", ports: [{{containerPort: 8000}}]}}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {{name: measured, namespace: measured}}
spec:
  scaleTargetRef: {{name: measured}}
  pollingInterval: 1
  minReplicaCount: 1
  maxReplicaCount: 3
  triggers:
  - type: prometheus
    metadata:
      serverAddress: http://prometheus.monitoring.svc:{port}
      query: sum(vllm:num_requests_waiting{{namespace="measured"}})
      threshold: "5"
"""


@pytest.fixture(scope="module")
def measured(full_sandbox: Sandbox) -> Iterator[Sandbox]:
    """An app that KEDA scales on the requests that wait, with a Prometheus added to what runs."""
    full_sandbox.run("start", "full", "--with", "prometheus")
    tell(full_sandbox, requests_waiting=0)
    with full_sandbox.namespace("measured"):
        full_sandbox.apply(APP.format(port=Ports.counted_from(full_sandbox.port_base).prometheus))
        yield full_sandbox
        tell(full_sandbox, requests_waiting=0)


def tell(sandbox: Sandbox, **values: object) -> None:
    port = Ports.counted_from(sandbox.port_base).stand_in_control
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    connection.request("POST", "/pods", json.dumps(values))
    assert connection.getresponse().status == 200


def ask(sandbox: Sandbox, query: str) -> list[dict[str, Any]]:
    port = Ports.counted_from(sandbox.port_base).prometheus
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    connection.request("GET", f"/api/v1/query?{urllib.parse.urlencode({'query': query})}")
    return json.load(connection.getresponse())["data"]["result"]


def test_a_pod_is_scraped_under_its_namespace_and_name(measured: Sandbox) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := ask(measured, 'vllm:kv_cache_usage_perc{namespace="measured"}')):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    (pod,) = measured.kubectl_json("get", "pods", "--namespace=measured")["items"]
    assert {series["metric"]["pod"] for series in found} == {pod["metadata"]["name"]}


def test_keda_scales_on_what_the_pods_are_told_to_report(measured: Sandbox) -> None:
    tell(measured, requests_waiting=10)
    replicas = "--output=jsonpath={.status.replicas}"
    measured.eventually("3", "get", "deployment", "measured", "--namespace=measured", replicas)


def test_it_stays_while_others_are_started_and_is_stopped_alone(measured: Sandbox) -> None:
    assert "already running (full)" in measured.start("full")
    measured.run("stop", "prometheus", "--kill")
    measured.start("full")
    assert measured.run("status").returncode == 0
    assert "prometheus" in measured.pids()


def test_it_needs_the_full_tier(unstarted_sandbox: Sandbox) -> None:
    done = unstarted_sandbox.run("start", "core", "--with", "prometheus", check=False)
    assert done.returncode == 1
    assert "--with prometheus needs the full tier" in done.stderr
