"""A preset of two pools on the real scheduler: where one is full, the other takes the pod."""

import json
from typing import Any

import pytest

from tests.cluster.sandboxes import Sandbox
from tests.cluster.test_program_placement import SETTINGS, as_deployment
from tests.program.recording import run_stack_file

pytestmark = pytest.mark.cluster

PRODUCT = {"nvidia.com/gpu.product": "NVIDIA-L40S"}
POOLS = {count: PRODUCT | {"nvidia.com/gpu.count": count} for count in ("1", "8")}
TOLERATIONS = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
PRESET: dict[str, Any] = {
    "name": "l40s-any",
    "vendor": "nvidia",
    "product": "l40s",
    "gpus": 1,
    "cpu": 4,
    "memory": "32Gi",
    "pools": [{"nodeSelector": labels, "tolerations": TOLERATIONS} for labels in POOLS.values()],
}


def filler(count: str, namespace: str) -> dict[str, Any]:
    """A pod that takes every GPU of the one node of a pool."""
    resources = {"limits": {"nvidia.com/gpu": count}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "filler", "namespace": namespace},
        "spec": {
            "nodeSelector": POOLS[count],
            "tolerations": TOLERATIONS,
            "containers": [{"name": "filler", "image": "example.com/f:1", "resources": resources}],
        },
    }


@pytest.mark.parametrize(("full", "free"), [("1", "8"), ("8", "1")])
def test_a_pod_goes_to_the_pool_that_has_a_gpu_free(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, full: str, free: str
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nonexistent/kubeconfig")
    settings = SETTINGS | {"presets": [PRESET], "preset": PRESET["name"]}
    recorded = run_stack_file("dev", settings).only(":Deployment")
    with sandbox.namespace(f"pool-{free}") as namespace:
        scope = f"--namespace={namespace}"
        sandbox.kubectl("create", "serviceaccount", "vllm", scope)
        sandbox.apply(json.dumps(filler(full, namespace)))
        sandbox.kubectl("wait", "pod/filler", "--for=condition=Ready", "--timeout=180s", scope)
        sandbox.apply(json.dumps(as_deployment(recorded, "vllm", namespace)))
        available = "--for=condition=Available"
        sandbox.kubectl("wait", "deployment/vllm", available, "--timeout=180s", scope)
        component = "--selector=app.kubernetes.io/component=server"
        (pod,) = sandbox.kubectl_json("get", "pods", scope, component)["items"]
    labels = sandbox.kubectl_json("get", "node", pod["spec"]["nodeName"])["metadata"]["labels"]
    assert POOLS[free].items() <= labels.items()
