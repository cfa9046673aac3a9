"""KEDA shows Prometheus the token of the stack's Secret, and trusts the certificate beside it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.guarded_prometheus import ADDRESS, HOST
from tests.cluster.identity import running_inside
from tests.cluster.sandboxes import Sandbox
from tests.pulumi_project import STACK, PulumiProject, committed_stack_file

pytestmark = pytest.mark.cluster

NAMESPACE = "llm-guarded"
TOKEN = "right"
SECRET = "prometheus-reader"
IN_NAMESPACE = f"--namespace={NAMESPACE}"


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of that host that signs itself, and its key."""
    made, key = folder / "tls.crt", folder / "tls.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=tests"),
            *("-addext", f"subjectAltName=DNS:{HOST}", "-keyout", key, "-out", made),
        ],
        check=True,
        capture_output=True,
    )
    return made, key


def put_secret(sandbox: Sandbox, token: str, authority: Path) -> None:
    """Write the token and the CA."""
    entries = {"token": token, "ca.crt": authority.read_text()}
    metadata = {"name": SECRET, "namespace": NAMESPACE}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": entries}
    sandbox.apply(json.dumps(secret))


def project(folder: Path, sandbox: Sandbox) -> PulumiProject:
    """The dev stack, scaled by what waits according to that Prometheus."""
    made = PulumiProject(
        folder=folder / "checkout", backend=folder / "backend", kubeconfig=sandbox.kubeconfig
    ).check_out(committed_stack_file("dev"))
    made.succeed("stack", "init", STACK)
    reader = {"address": ADDRESS, "tokenSecret": {"name": SECRET, "caKey": "ca.crt"}}
    scaling = {"enabled": True, "requestsWaiting": 5, "prometheus": reader}
    for key, value in (
        ("preset", "nvidia-l4-1"),
        ("namespace", json.dumps({"name": NAMESPACE, "create": False})),
        ("autoscaling", json.dumps(scaling)),
    ):
        made.succeed("config", "set", key, value)
    return made


def test_a_prometheus_that_asks_for_a_token_is_read_with_that_of_the_secret(
    full_sandbox: Sandbox, tmp_path: Path
) -> None:
    authority, key = certificate(tmp_path)
    module = "tests.cluster.guarded_prometheus"
    served = (sys.executable, "-m", module, TOKEN, "8", str(authority), str(key))
    health = "--output=jsonpath={.status.health.s1-prometheus.status}"
    of_app = ("get", "scaledobject", "vllm", IN_NAMESPACE)
    replicas = "--output=jsonpath={.spec.replicas}"
    stack = project(tmp_path, full_sandbox)
    with (
        full_sandbox.namespace(NAMESPACE),
        running_inside(full_sandbox, tmp_path / "prometheus.log", *served),
    ):
        put_secret(full_sandbox, "wrong", authority)
        stack.up()
        full_sandbox.eventually("Failing", *of_app, health)
        told = stack.execute("python", "-m", "cluster", "diagnose", "--stack", STACK)
        assert "autoscaler: requests-waiting cannot be read" in told.stdout, told.stderr
        put_secret(full_sandbox, TOKEN, authority)
        full_sandbox.eventually("Happy", *of_app, health)
        # Eight wait, and five are for one replica.
        full_sandbox.eventually("2", "get", "deployment", "vllm", IN_NAMESPACE, replicas)
        stack.expect_no_changes()
        stack.succeed("destroy", "--yes", "--skip-preview")
