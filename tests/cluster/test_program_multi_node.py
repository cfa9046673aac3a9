"""A model over two nodes, applied to the sandbox with the real LeaderWorkerSet operator."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.large_model import GROUP, INDEX, NAMESPACE, large_project
from tests.cluster.sandboxes import PATIENCE_SECONDS, Sandbox
from tests.pulumi_project import PulumiProject
from tools import locate

pytestmark = pytest.mark.cluster

POOL = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.count": "8"}


@dataclass(frozen=True, kw_only=True)
class Grouped:
    """The stack of Mistral Large 3 in two replicas over two nodes each."""

    project: PulumiProject
    sandbox: Sandbox
    said: str

    def get(self, *arguments: str) -> Any:
        """Objects of the app's namespace."""
        return self.sandbox.kubectl_json("get", f"--namespace={NAMESPACE}", *arguments)

    def pods(self) -> list[dict[str, Any]]:
        """Pods of the server."""
        selector = "--selector=app.kubernetes.io/component=server"
        return self.get("pods", selector)["items"]


@pytest.fixture(scope="module")
def grouped(full_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grouped]:
    """Two groups, deployed by `pulumi up`."""
    project = large_project(tmp_path_factory.mktemp("large"), full_sandbox)
    said = project.up()
    yield Grouped(project=project, sandbox=full_sandbox, said=said)
    project.run("destroy", "--yes", "--skip-preview")


def test_the_preview_says_that_several_nodes_serve_and_why(grouped: Grouped) -> None:
    assert "2 nodes of 8 x h100-80" in grouped.said
    assert "no single node fits, so 2 of one preset" in " ".join(grouped.said.split())


def test_up_ends_once_every_group_is_available(grouped: Grouped) -> None:
    (found,) = grouped.get("leaderworkersets")["items"]
    assert found["status"]["readyReplicas"] == 2
    phases = [pod["status"]["phase"] for pod in grouped.pods()]
    assert phases == ["Running"] * 4


def test_the_pods_of_a_group_land_two_by_two_on_nodes_of_the_preset_s_pool(
    grouped: Grouped,
) -> None:
    pods = grouped.pods()
    places = {
        (pod["metadata"]["labels"][GROUP], pod["metadata"]["labels"][INDEX]): pod["spec"][
            "nodeName"
        ]
        for pod in pods
    }
    assert set(places) == {("0", "0"), ("0", "1"), ("1", "0"), ("1", "1")}
    assert len(set(places.values())) == 4
    for name in places.values():
        labels = grouped.sandbox.kubectl_json("get", "node", name)["metadata"]["labels"]
        assert POOL.items() <= labels.items()


def test_the_ranks_of_a_group_find_their_own_leader(grouped: Grouped) -> None:
    for pod in grouped.pods():
        labels = pod["metadata"]["labels"]
        (container,) = pod["spec"]["containers"]
        env = {item["name"]: item.get("value") for item in container["env"]}
        args = container["args"]
        assert env["LWS_LEADER_ADDRESS"].startswith(f"vllm-group-{labels[GROUP]}.")
        assert env["LWS_WORKER_INDEX"] == labels[INDEX]
        assert args[args.index("--master-addr") + 1] == "$(LWS_LEADER_ADDRESS)"
        leads = labels[INDEX] == "0"
        assert ("--headless" in args) is not leads
        assert ("readinessProbe" in container) is leads
        assert container["resources"]["limits"]["nvidia.com/gpu"] == "8"


def test_the_service_selects_the_leaders_only(grouped: Grouped) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (targets := endpoints(grouped)) != {"vllm-group-0", "vllm-group-1"}:
        # Those that lack may still come; another never may.
        assert targets <= {"vllm-group-0", "vllm-group-1"}
        assert time.monotonic() < deadline, targets
        time.sleep(0.2)


def endpoints(grouped: Grouped) -> set[str]:
    """Names of the pods behind the server's Service."""
    slices = grouped.get("endpointslices", "--selector=kubernetes.io/service-name=vllm")["items"]
    return {end["targetRef"]["name"] for found in slices for end in found["endpoints"] or ()}


def test_a_second_up_and_a_refresh_change_nothing(grouped: Grouped) -> None:
    grouped.project.succeed("refresh", "--yes", "--skip-preview")
    grouped.project.expect_no_changes()


def test_a_change_rolls_every_pod_of_every_group(grouped: Grouped) -> None:
    before = {pod["metadata"]["uid"] for pod in grouped.pods()}
    grouped.project.succeed("config", "set", "maxModelLen", "65536")
    grouped.project.up()
    pods = grouped.pods()
    assert len(pods) == 4
    assert not before & {pod["metadata"]["uid"] for pod in pods}
    for pod in pods:
        args = pod["spec"]["containers"][0]["args"]
        assert args[args.index("--max-model-len") + 1] == "65536"


def test_destroy_leaves_no_pod_of_a_group(grouped: Grouped) -> None:
    grouped.project.succeed("destroy", "--yes", "--skip-preview")
    kinds = grouped.sandbox.kubectl("get", "leaderworkersets,pods,statefulsets", "--all-namespaces")
    assert "vllm-group" not in kinds


def test_a_cluster_without_the_operator_is_refused_before_anything_is_made(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    project = large_project(tmp_path, sandbox)
    definition = "crd/leaderworkersets.leaderworkerset.x-k8s.io"
    sandbox.kubectl("delete", definition)
    try:
        done = project.run("up", "--yes", "--skip-preview")
    finally:
        definitions = locate.manifests() / "leaderworkerset-crds.yaml"
        sandbox.kubectl("apply", "--server-side", f"--filename={definitions}")
        served = '--output=jsonpath={.status.conditions[?(@.type=="Established")].status}'
        sandbox.eventually("True", "get", definition, served)
    assert done.returncode != 0
    said = " ".join((done.stdout + done.stderr).split())
    assert "multiNode.maxNodes: the model needs 2 nodes, and the cluster does not serve" in said
    assert sandbox.try_kubectl("get", "namespace", NAMESPACE).returncode != 0
