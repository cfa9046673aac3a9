"""A stack of Mistral Large 3 in two replicas over two nodes each."""

from pathlib import Path

from tests.cluster.sandboxes import Sandbox
from tests.pulumi_project import STACK, PulumiProject, committed_stack_file

NAMESPACE = "llm-large"
GROUP = "leaderworkerset.sigs.k8s.io/group-index"
INDEX = "leaderworkerset.sigs.k8s.io/worker-index"


def large_project(
    folder: Path, sandbox: Sandbox, *, namespace: str = NAMESPACE, **keys: object
) -> PulumiProject:
    """Make the stack, with other keys of its config as given; deploy nothing."""
    project = PulumiProject(
        folder=folder / "checkout", backend=folder / "backend", kubeconfig=sandbox.kubeconfig
    ).check_out(committed_stack_file("dev"))
    project.succeed("stack", "init", STACK)
    large: dict[str, object] = {
        "model": "mistral-large-3",
        "preset": "nvidia-h100-8",
        "multiNode": {"maxNodes": 2},
        "replicas": 2,
        "cache": {"accessMode": "ReadWriteMany", "storageClass": "standard-rwx", "retain": False},
        "namespace": {"name": namespace},
        "autoscaling": {"enabled": False},
    }
    project.configure(**large | keys)
    return project
