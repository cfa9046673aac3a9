"""One component stopped, killed or started again, for tests of what outlives it."""

import pytest

from tests.cluster.sandboxes import PATIENCE_SECONDS, Sandbox

pytestmark = pytest.mark.cluster

_AGGREGATED = "/apis/external.metrics.k8s.io/v1beta1"


@pytest.mark.parametrize("kill", [(), ("--kill",)])
@pytest.mark.parametrize(
    "name", ["keda-operator", "keda-adapter", "http-add-on-interceptor", "kube-apiserver"]
)
def test_a_restart_replaces_one_process_and_ends_when_it_is_ready(
    full_sandbox: Sandbox, name: str, kill: tuple[str, ...]
) -> None:
    before = full_sandbox.pids()
    said = full_sandbox.run("restart", name, *kill).stdout
    assert f"{name} is ready after" in said
    after = full_sandbox.pids()
    assert {each for each in before if before[each] != after[each]} == {name}
    if name == "keda-adapter":
        assert "externalmetrics" in full_sandbox.kubectl("get", "--raw", _AGGREGATED)


def test_a_stopped_component_stays_stopped_until_start(full_sandbox: Sandbox) -> None:
    full_sandbox.run("stop", "http-add-on-scaler", "--kill")
    line = next(
        line
        for line in full_sandbox.run("status", check=False).stdout.splitlines()
        if line.startswith("http-add-on-scaler")
    )
    assert line.split()[1:3] == ["-", "no"]
    full_sandbox.start("full")
    assert full_sandbox.run("status").returncode == 0


def test_a_component_of_the_core_is_restarted_where_there_is_no_namespace(sandbox: Sandbox) -> None:
    before = sandbox.pids()
    sandbox.run("restart", "kwok", "--kill")
    after = sandbox.pids()
    assert {each for each in before if before[each] != after[each]} == {"kwok"}
    timeout = f"--timeout={PATIENCE_SECONDS:.0f}s"
    sandbox.kubectl("wait", "node", "--all", "--for=condition=Ready", timeout)


@pytest.mark.parametrize("command", ["stop", "restart"])
def test_an_unknown_component_is_refused_with_the_known_ones(
    full_sandbox: Sandbox, command: str
) -> None:
    done = full_sandbox.run(command, "keda", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("sandbox: there is no component 'keda': choose one of etcd, ")
    assert "http-add-on-interceptor" in done.stderr


def test_a_component_of_a_sandbox_that_does_not_run_is_refused(unstarted_sandbox: Sandbox) -> None:
    done = unstarted_sandbox.run("restart", "etcd", check=False)
    assert done.returncode == 1
    assert "the sandbox is not running" in done.stderr
