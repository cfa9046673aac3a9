"""The server of every preset of the sandbox, on the real scheduler and under `restricted`."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from planning.devices import device_of
from settings.models import Preset
from settings.preset_files import read_presets
from tests.choices import GPUS
from tests.cluster.sandboxes import Sandbox
from tests.program.recording import ROOT, Requested, run_stack_file

pytestmark = pytest.mark.cluster

RESTRICTED = "{pod-security.kubernetes.io/enforce: restricted}"
PRESETS: list[dict[str, Any]] = read_presets(str(ROOT / "presets/sandbox.yaml"))
# A model of 9 GiB fits on the smallest of them, which has no bfloat16.
SETTINGS: dict[str, object] = {
    "model": "voxtral-mini-3b",
    "dtype": "float16",
    "autoscaling": {"enabled": False},
    "cache": {"enabled": False},
}


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A pod of the server, and the node that the scheduler chose for it."""

    pod: dict[str, Any]
    node: dict[str, Any]


def waves() -> Iterator[list[dict[str, Any]]]:
    """Presets in groups of which no two share a pool, so that each finds its GPUs free."""
    pools: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for preset in PRESETS:
        pools[json.dumps(preset["pool"]["nodeSelector"], sort_keys=True)].append(preset)
    while any(pools.values()):
        yield [waiting.pop() for waiting in pools.values() if waiting]


def deployment(preset: str, namespace: str) -> dict[str, Any]:
    """The Deployment that the program asks for, under the preset's name."""
    recorded = run_stack_file("dev", SETTINGS | {"preset": preset}).only(":Deployment")
    return as_deployment(recorded, preset, namespace)


def as_deployment(recorded: Requested, name: str, namespace: str) -> dict[str, Any]:
    """A recorded Deployment as kubectl takes it, under a name of the test's own."""
    metadata = {"name": name, "namespace": namespace}
    # The mocks' wire format knows floats only.
    return json.loads(json.dumps(recorded.inputs | {"metadata": metadata}), parse_float=_whole)


def _whole(number: str) -> int:
    return int(float(number))


@pytest.fixture(scope="module")
def placed(sandbox: Sandbox) -> Iterator[dict[str, Placed]]:
    """Every preset's pod, once it is Ready."""
    found: dict[str, Placed] = {}
    with pytest.MonkeyPatch.context() as patch, sandbox.namespace("presets", RESTRICTED) as name:
        patch.setenv("KUBECONFIG", "/nonexistent/kubeconfig")
        scope = f"--namespace={name}"
        sandbox.kubectl("create", "serviceaccount", "vllm", scope)
        nodes = {n["metadata"]["name"]: n for n in sandbox.kubectl_json("get", "nodes")["items"]}
        for wave in waves():
            for preset in wave:
                # One app a preset: Deployments must not share pods.
                own = deployment(preset["name"], name)
                for labels in (
                    own["spec"]["selector"]["matchLabels"],
                    own["spec"]["template"]["metadata"]["labels"],
                ):
                    labels["app.kubernetes.io/instance"] = preset["name"]
                sandbox.apply(json.dumps(own))
            sandbox.kubectl(
                *("wait", "deployments", "--all", scope),
                *("--for=condition=Available", "--timeout=180s"),
            )
            for pod in sandbox.kubectl_json("get", "pods", scope)["items"]:
                instance = pod["metadata"]["labels"]["app.kubernetes.io/instance"]
                found[instance] = Placed(pod=pod, node=nodes[pod["spec"]["nodeName"]])
            # In the foreground a Deployment goes after its pods, so their GPUs are free then.
            sandbox.kubectl("delete", "deployments", "--all", scope, "--cascade=foreground")
        yield found


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset["name"])
def test_a_preset_s_pod_is_ready_on_its_pool_with_exactly_its_resources(
    placed: dict[str, Placed], preset: dict[str, Any]
) -> None:
    here = placed[preset["name"]]
    conditions = {c["type"]: c["status"] for c in here.pod["status"]["conditions"]}
    assert conditions["Ready"] == "True"
    labels = here.node["metadata"]["labels"]
    gpu = device_of(Preset.model_validate(preset), GPUS)
    assert gpu is not None
    assert labels[gpu.product_label_key] in gpu.product_labels
    assert preset["pool"]["nodeSelector"].items() <= labels.items()
    (only,) = here.pod["spec"]["containers"]
    gpus = {gpu.resource_name: str(preset["gpus"])}
    memory = {"memory": preset["memory"]}
    assert only["resources"] == {
        "requests": {"cpu": str(preset["cpu"]), **memory, **gpus},
        "limits": {**memory, **gpus},
    }
