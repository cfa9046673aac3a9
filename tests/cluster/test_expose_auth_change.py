"""From one kind of authentication to another, nobody gets in unasked on the way."""

import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.sandboxes import PATIENCE_SECONDS, Sandbox
from tests.pulumi_project import STACK, PulumiProject, committed_stack_file

pytestmark = pytest.mark.cluster

NAMESPACE = "llm-auth-change"
SCOPE = f"--namespace={NAMESPACE}"
SERVER = "--selector=app.kubernetes.io/component=server"
MIDDLEWARES = "traefik.ingress.kubernetes.io/router.middlewares"
HELD_SECONDS = 8.0
"""Far longer than an `up` takes that waits for nothing, 3 s here."""

USERS = "someone:$2y$05$NotARealSaltButLongEnOpynt/70K81AhyTaLtbFfafzBeg/Hzp."
"""Nobody logs in here."""


@pytest.fixture
def project(sandbox: Sandbox, tmp_path: Path) -> Iterator[PulumiProject]:
    """Two servers on a pool with room for no third, and passwords that Traefik asks for."""
    made = PulumiProject(
        folder=tmp_path / "checkout", backend=tmp_path / "backend", kubeconfig=sandbox.kubeconfig
    ).check_out(committed_stack_file("dev"))
    made.succeed("stack", "init", STACK)
    made.configure(
        preset="nvidia-a10g-1",
        namespace={"name": NAMESPACE},
        replicas=2,
        cache={"enabled": False},
        autoscaling={"enabled": False},
        ingress={"host": "change.localhost", "auth": "basic"},
        rollout={"startSeconds": 30, "drainSeconds": 0},
    )
    made.succeed("config", "set", "--secret", "basicAuthUsers", given=USERS)
    made.up()
    yield made
    made.run("destroy", "--yes", "--skip-preview")


def pods(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    found = sandbox.kubectl_json("get", "pods", SCOPE, SERVER)["items"]
    return {pod["metadata"]["name"]: pod for pod in found}


def asked_by_traefik(sandbox: Sandbox) -> str | None:
    (ingress,) = sandbox.kubectl_json("get", "ingress", SCOPE)["items"]
    return ingress["metadata"].get("annotations", {}).get(MIDDLEWARES)


@contextmanager
def kept(sandbox: Sandbox, names: list[str]) -> Generator[None]:
    """Keep pods after they were told to stop, and with them their GPUs."""
    held = '{"metadata": {"finalizers": ["example.com/drains"]}}'
    for name in names:
        sandbox.kubectl("patch", "pod", name, SCOPE, f"--patch={held}")
    try:
        yield
    finally:
        free = '{"metadata": {"finalizers": null}}'
        for name in names:
            sandbox.kubectl("patch", "pod", name, SCOPE, f"--patch={free}")


def wait_for_the_first_to_stop(sandbox: Sandbox) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not any("deletionTimestamp" in pod["metadata"] for pod in pods(sandbox).values()):
        assert time.monotonic() < deadline, "no server was told to stop"
        time.sleep(0.2)


def test_traefik_asks_for_passwords_until_every_server_asks_for_keys(
    sandbox: Sandbox, project: PulumiProject
) -> None:
    before = pods(sandbox)
    assert len(before) == 2
    project.configure(ingress={"host": "change.localhost", "auth": "apiKey"})
    project.succeed("config", "rm", "basicAuthUsers")
    with ThreadPoolExecutor() as beside:
        with kept(sandbox, list(before)):
            up = beside.submit(project.run, "up", "--yes", "--skip-preview")
            wait_for_the_first_to_stop(sandbox)
            time.sleep(HELD_SECONDS)
            asked, now = asked_by_traefik(sandbox), pods(sandbox)
        done = up.result(PATIENCE_SECONDS)
    # One server is left that asks nobody.
    assert any(name in before and "deletionTimestamp" not in now[name]["metadata"] for name in now)
    assert asked == f"{NAMESPACE}-vllm-authentication@kubernetescrd"
    assert done.returncode == 0, done.stdout + done.stderr
    assert asked_by_traefik(sandbox) is None
    assert not before.keys() & pods(sandbox).keys()
