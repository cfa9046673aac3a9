"""Who owns the replicas, and every signal of the autoscaler, with KEDA running."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.sandboxes import Sandbox
from tests.pulumi_project import STACK, PulumiProject, committed_stack_file

pytestmark = pytest.mark.cluster

NAMESPACE = "llm-scaling"
HELD = 3
EVERY_SIGNAL: dict[str, Any] = {
    "enabled": True,
    "requestsWaiting": 5,
    "concurrency": 30,
    "kvCacheUsage": 0.8,
    "timeToFirstTokenSeconds": 1.5,
    # Nobody answers there; that a dead metric is no difference either is part of the test.
    "prometheus": {"address": "http://127.0.0.1:9"},
    "cron": [
        {
            "start": "0 0 1 1 *",
            "end": "1 0 1 1 *",
            "timezone": "Europe/Berlin",
            "replicas": HELD,
        }
    ],
    "scaleUp": {"pods": 2, "periodSeconds": 15},
}
COUNTED = {"interceptorRoute": "s0-http_vllm_rate", "httpScaledObject": "s0-http-"}
"""How the name of the rate begins that the add-on's scaler has for each kind."""

COLD_STARTS: dict[str, dict[str, Any]] = {
    "interceptorRoute": {"placeholder": {"statusCode": 503, "body": "warming up"}},
    "httpScaledObject": {"fallback": {"service": "small-model", "port": 8000}},
}
OTHER_SCALER = f"""\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{name: by-cpu, namespace: {NAMESPACE}}}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: vllm}}
  minReplicas: 1
  maxReplicas: 2
"""


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """The dev stack in a namespace of its own."""

    project: PulumiProject
    sandbox: Sandbox

    def get(self, *arguments: str) -> Any:
        """Objects of the app's namespace."""
        return self.sandbox.kubectl_json("get", f"--namespace={NAMESPACE}", *arguments)

    def deployment(self) -> dict[str, Any]:
        """The spec of the server's Deployment."""
        return self.get("deployment", "vllm")["spec"]

    def set_up(self, **autoscaling: Any) -> str:
        """Change the autoscaler and run `pulumi up`."""
        self.project.succeed("config", "set", "autoscaling", json.dumps(autoscaling))
        return self.project.up()

    def scale(self, replicas: int) -> None:
        """Scale by hand, and wait until the pods are there."""
        self.sandbox.kubectl(
            "scale", "deployment", "vllm", f"--namespace={NAMESPACE}", f"--replicas={replicas}"
        )
        self.sandbox.kubectl(
            "rollout", "status", "deployment/vllm", f"--namespace={NAMESPACE}", "--timeout=60s"
        )

    def generation_of_pods(self) -> set[str]:
        """The revision of every pod of the server."""
        pods = self.get("pods", "--selector=app.kubernetes.io/component=server")["items"]
        return {pod["metadata"]["labels"]["pod-template-hash"] for pod in pods}


@pytest.fixture(scope="module")
def scaled(full_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scaled]:
    """The stack with every signal, deployed."""
    folder = tmp_path_factory.mktemp("scaling")
    project = PulumiProject(
        folder=folder / "checkout", backend=folder / "backend", kubeconfig=full_sandbox.kubeconfig
    ).check_out(committed_stack_file("dev"))
    project.succeed("stack", "init", STACK)
    project.succeed("config", "set", "preset", "nvidia-l4-1")
    project.succeed("config", "set", "namespace", json.dumps({"name": NAMESPACE}))
    made = Scaled(project=project, sandbox=full_sandbox)
    made.set_up(**EVERY_SIGNAL)
    yield made
    project.run("destroy", "--yes", "--skip-preview")


@pytest.mark.parametrize(("kind", "rate"), COUNTED.items())
def test_every_signal_is_admitted_and_becomes_a_metric_of_one_autoscaler(
    scaled: Scaled, kind: str, rate: str
) -> None:
    scaled.set_up(**EVERY_SIGNAL, kind=kind, coldStart=COLD_STARTS[kind])
    names = "jsonpath={.items[*].spec.metrics[*].external.metric.name}"
    of_app = ("get", "horizontalpodautoscalers", f"--namespace={NAMESPACE}", "--output", names)
    seen = scaled.sandbox.eventually(rate, *of_app)
    metrics = [name.partition("-")[0] for name in seen.split()]
    assert sorted(metrics) == ["s0", "s1", "s2", "s3", "s4", "s5"]
    (autoscaler,) = scaled.get("horizontalpodautoscalers")["items"]
    targets = [metric["external"]["target"] for metric in autoscaler["spec"]["metrics"]]
    assert [target["type"] for target in targets].count("Value") == 2
    up = autoscaler["spec"]["behavior"]["scaleUp"]
    assert up["policies"] == [{"type": "Pods", "value": 2, "periodSeconds": 15}]
    assert up["stabilizationWindowSeconds"] == 0


@pytest.mark.parametrize("kind", COUNTED)
def test_neither_the_operators_nor_a_dead_metric_make_a_difference(
    scaled: Scaled, kind: str
) -> None:
    scaled.set_up(**EVERY_SIGNAL, kind=kind, coldStart=COLD_STARTS[kind])
    dead = "jsonpath={.status.health.s1-prometheus.status}"
    scaled.sandbox.eventually(
        "Failing", "get", "scaledobject", "vllm", f"--namespace={NAMESPACE}", "--output", dead
    )
    scaled.project.succeed("refresh", "--yes", "--skip-preview")
    scaled.project.expect_no_changes()


def test_off_and_on_again_keeps_the_count_and_the_pods(scaled: Scaled) -> None:
    # While metrics are dead, KEDA holds what runs: what the load had asked for, say.
    scaled.scale(HELD)
    pods = scaled.generation_of_pods()
    said = scaled.set_up(enabled=False)
    assert scaled.deployment()["replicas"] == HELD
    assert "one by one" in said or "a new pod first" in said
    assert scaled.get("scaledobjects")["items"] == []
    scaled.project.succeed("refresh", "--yes", "--skip-preview")
    scaled.project.expect_no_changes()
    scaled.set_up(**EVERY_SIGNAL)
    assert scaled.deployment()["replicas"] == HELD
    assert scaled.generation_of_pods() == pods
    scaled.project.expect_no_changes()


def test_replicas_that_are_asked_for_are_set_against_whoever_scaled_before(scaled: Scaled) -> None:
    scaled.set_up(enabled=False)
    scaled.project.succeed("config", "set", "replicas", "2")
    scaled.project.up()
    assert scaled.deployment()["replicas"] == 2
    scaled.scale(1)
    scaled.project.succeed("refresh", "--yes", "--skip-preview")
    scaled.project.up()
    assert scaled.deployment()["replicas"] == 2
    scaled.project.succeed("config", "rm", "replicas")
    scaled.project.up()
    assert scaled.deployment()["replicas"] == 2


def test_an_app_at_zero_keeps_its_autoscaler_until_a_replica_runs(scaled: Scaled) -> None:
    count = ("get", "deployment", "vllm", f"--namespace={NAMESPACE}", "--output")
    scaled.set_up(enabled=True, minReplicas=0)
    scaled.scale(0)
    off = json.dumps({"enabled": False})
    for replicas in (None, "2"):
        # KEDA would undo a count that the stack sets, as long as its object is there.
        scaled.project.succeed("config", "set", "autoscaling", off)
        if replicas:
            scaled.project.succeed("config", "set", "replicas", replicas)
        refused = scaled.project.run("up", "--yes", "--skip-preview")
        assert refused.returncode != 0
        assert (
            "autoscaling is switched off while no replica runs" in refused.stdout + refused.stderr
        )
        assert len(scaled.get("scaledobjects")["items"]) == 1
    scaled.project.succeed("config", "rm", "replicas")
    scaled.set_up(enabled=True, minReplicas=1)
    scaled.sandbox.eventually("1", *count, "jsonpath={.status.readyReplicas}")
    scaled.set_up(enabled=False)
    assert scaled.get("scaledobjects")["items"] == []
    assert scaled.deployment()["replicas"] == 1


def test_an_interceptor_that_is_elsewhere_is_refused_by_its_key(scaled: Scaled) -> None:
    for interceptor, key in (
        ({"namespace": "default"}, "namespace"),
        ({"proxyService": "interceptor"}, "proxyService"),
        ({"scalerPort": 9091}, "scalerPort"),
    ):
        value = json.dumps({"enabled": True, "interceptor": interceptor})
        scaled.project.succeed("config", "set", "autoscaling", value)
        refused = scaled.project.run("preview")
        assert refused.returncode != 0
        assert f"autoscaling.interceptor.{key}: " in refused.stdout + refused.stderr


def test_a_second_scaler_is_refused_before_anything_is_made(scaled: Scaled) -> None:
    scaled.set_up(enabled=False)
    scaled.sandbox.apply(OTHER_SCALER)
    scaled.project.succeed("config", "set", "autoscaling", json.dumps({"enabled": True}))
    refused = scaled.project.run("up", "--yes", "--skip-preview")
    assert refused.returncode != 0
    said = refused.stdout + refused.stderr
    assert f"the HorizontalPodAutoscaler 'by-cpu' in namespace {NAMESPACE} scales" in said
    assert scaled.get("scaledobjects")["items"] == []
    scaled.sandbox.kubectl(
        "delete", "horizontalpodautoscaler", "by-cpu", f"--namespace={NAMESPACE}"
    )
    scaled.project.up()
    assert len(scaled.get("scaledobjects")["items"]) == 1
