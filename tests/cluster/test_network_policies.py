"""The NetworkPolicies on a real API server, and what a preview says of absent namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.sandboxes import Sandbox
from tests.pulumi_project import STACK, PulumiProject

pytestmark = pytest.mark.cluster

NAMESPACE = "llm-network"
STACK_FILE = f"""\
config:
  mistral-vllm:model: mistral-7b-instruct
  mistral-vllm:preset: nvidia-l4-1
  mistral-vllm:presets: presets/sandbox.yaml
  mistral-vllm:kubernetes: {{context: mistral-vllm-sandbox}}
  mistral-vllm:namespace: {{name: {NAMESPACE}}}
  mistral-vllm:ingress: {{host: network.localhost}}
  mistral-vllm:cache: {{storage: none}}
  mistral-vllm:network:
    ingressNamespaces: [front-door]
    clients:
      - {{namespace: research, podLabels: {{app: notebook}}}}
      - {{cidr: 192.0.2.0/24}}
      - {{cidr: "2001:db8::/32"}}
    dns: {{cidrs: [169.254.20.10/32]}}
    egressCidrs: [198.51.100.0/24]
"""
MISSED = (
    "network: this cluster has no namespace front-door (network.ingressNamespaces) and no research "
    "(network.clients), so nobody reaches the server from there"
)


@pytest.fixture
def project(sandbox: Sandbox, tmp_path: Path) -> Iterator[PulumiProject]:
    project = PulumiProject(
        folder=tmp_path / "checkout", backend=tmp_path / "backend", kubeconfig=sandbox.kubeconfig
    )
    project.check_out(STACK_FILE)
    project.succeed("stack", "init", STACK)
    yield project
    project.run("destroy", "--yes", "--skip-preview")
    sandbox.kubectl("delete", "namespace", "front-door", "research", "--ignore-not-found")


def test_policies_stay_as_they_were_asked_for_and_an_absent_namespace_is_said_once(
    sandbox: Sandbox, project: PulumiProject
) -> None:
    # Pulumi says each warning as it comes, and again at the end.
    assert project.up().partition("Diagnostics:")[2].count(MISSED) == 1
    listed = sandbox.kubectl_json("get", "networkpolicies", f"--namespace={NAMESPACE}")["items"]
    roles = (
        "default",
        "server-controller",
        "server-monitoring",
        "server-clients",
        "server-download",
    )
    assert {policy["metadata"]["name"] for policy in listed} == {f"vllm-{role}" for role in roles}
    # As the API server defaults and rewrites them, they differ in nothing.
    project.expect_no_changes()
    project.succeed("refresh", "--yes", "--skip-preview")
    for name in ("front-door", "research"):
        sandbox.kubectl("create", "namespace", name)
    assert "network:" not in project.expect_no_changes()


def test_where_no_scaler_runs_its_namespace_is_not_missed_as_well(project: PulumiProject) -> None:
    rest, _, _ = STACK_FILE.partition("  mistral-vllm:network:")
    project.stack_file.write_text(rest + "  mistral-vllm:autoscaling: {enabled: true}\n")
    said = project.succeed("preview")
    assert "no scaler is running" in said
    assert "network:" not in said
