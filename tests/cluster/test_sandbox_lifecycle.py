"""The sandbox's commands against real processes."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sandbox.state import REPOSITORY
from tests.cluster.sandboxes import PATIENCE_SECONDS, Sandbox, new_sandbox
from tools import cache

pytestmark = pytest.mark.cluster

NOBODY = 65534


def command_lines_with(text: str) -> list[str]:
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_text(errors="replace").replace("\0", " ")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found


def states(sandbox: Sandbox) -> list[list[str]]:
    """Name, pid and readiness of each process, as they are shown."""
    return [line.split()[:3] for line in sandbox.run("status", check=False).stdout.splitlines()]


# They take up to 10 and 20 s on two idle cores; the margin is for busy ones.
def test_core_is_ready_within_three_minutes(sandbox: Sandbox) -> None:
    assert sandbox.start_seconds
    assert sandbox.start_seconds < 180


def test_full_is_ready_within_three_minutes(full_sandbox: Sandbox) -> None:
    assert full_sandbox.start_seconds
    assert full_sandbox.start_seconds < 180


def test_starting_again_says_so_and_replaces_no_process(sandbox: Sandbox) -> None:
    before = sandbox.pids()
    assert "already running" in sandbox.start("core")
    assert sandbox.pids() == before


def test_starting_core_while_full_runs_changes_nothing(full_sandbox: Sandbox) -> None:
    before = full_sandbox.pids()
    assert "already running (full)" in full_sandbox.start("core")
    assert full_sandbox.pids() == before


def test_status_shows_the_pids_of_this_machine(full_sandbox: Sandbox) -> None:
    pids = full_sandbox.pids()
    assert {"namespace", "etcd", "keda-operator", "traefik", "forwarder"} <= pids.keys()
    for name in ("etcd", "keda-operator", "traefik"):
        assert name in Path(f"/proc/{pids[name]}/cmdline").read_text()


def test_a_dead_component_is_seen_and_started_again(sandbox: Sandbox) -> None:
    before = sandbox.pids()
    os.kill(before["kwok"], 9)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while ["kwok", "-", "no"] not in states(sandbox):
        assert time.monotonic() < deadline
    assert sandbox.run("status", check=False).returncode == 1
    sandbox.start("core")
    after = sandbox.pids()
    assert {name for name in before if before[name] != after[name]} == {"kwok"}


def test_full_is_added_to_a_running_core_and_stop_leaves_no_process(
    unstarted_sandbox: Sandbox,
) -> None:
    unstarted_sandbox.start("core")
    unstarted_sandbox.kubectl("create", "configmap", "kept", "--from-literal=a=b")
    unstarted_sandbox.start("full")
    assert unstarted_sandbox.kubectl("get", "configmap", "kept", "--output=name")
    # The leases of the first KWOK on the nodes, of 40 s, hold up no pod of the second.
    unstarted_sandbox.kubectl("run", "prompt", "--image=registry.example/prompt:1")
    unstarted_sandbox.kubectl("wait", "pod/prompt", "--for=condition=Ready", "--timeout=30s")
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox", "exec", "sh", "-c", "echo inside; exec sleep 1000"],
        cwd=REPOSITORY,
        env=unstarted_sandbox.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as stray:
        assert stray.stdout
        assert stray.stdout.readline() == "inside\n"
        unstarted_sandbox.run("stop")
        assert stray.wait(timeout=PATIENCE_SECONDS)
    assert command_lines_with(str(unstarted_sandbox.directory)) == []
    assert unstarted_sandbox.run("status", check=False).returncode == 1
    assert (unstarted_sandbox.directory / "etcd").exists()
    unstarted_sandbox.run("stop", "--wipe")
    assert not unstarted_sandbox.directory.exists()


def test_wipe_leaves_what_others_put_into_the_directory(unstarted_sandbox: Sandbox) -> None:
    unstarted_sandbox.directory.mkdir()
    foreign = unstarted_sandbox.directory / "notes.txt"
    foreign.write_text("mine")
    unstarted_sandbox.run("stop", "--wipe")
    assert [path.name for path in unstarted_sandbox.directory.iterdir()] == ["notes.txt"]


def test_a_taken_port_is_named_with_its_holder_and_the_remedy(unstarted_sandbox: Sandbox) -> None:
    port = unstarted_sandbox.port_base + 3
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", port))
        holder.listen()
        done = unstarted_sandbox.run("start", "core", check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    for part in (f"port {port} for kube-apiserver", f"(pid {os.getpid()})", "SANDBOX_PORT_BASE"):
        assert part in done.stderr
    assert unstarted_sandbox.pids() == {}


def test_a_component_that_dies_is_named_with_its_last_words(unstarted_sandbox: Sandbox) -> None:
    unstarted_sandbox.directory.mkdir()
    (unstarted_sandbox.directory / "etcd").write_text("not a directory")
    done = unstarted_sandbox.run("start", "core", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("sandbox: etcd ended during the start")
    assert "not a directory" in done.stderr
    assert str(unstarted_sandbox.directory / "logs" / "etcd.log") in done.stderr
    assert command_lines_with(f"{unstarted_sandbox.directory}/") == []


@pytest.mark.parametrize("tier", ["core", "full"])
def test_an_interrupted_start_leaves_no_process(unstarted_sandbox: Sandbox, tier: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox", "start", tier],
        cwd=REPOSITORY,
        env=unstarted_sandbox.environment,
    ) as starting:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (unstarted_sandbox.directory / "pids" / "kube-apiserver.json").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        starting.terminate()
    assert starting.returncode == 130
    assert command_lines_with(f"{unstarted_sandbox.directory}/") == []


def test_exec_runs_in_the_namespace_with_the_cluster_names(full_sandbox: Sandbox) -> None:
    for name in ("vllm.llm", "any.team.svc", "any.team.svc.cluster.local"):
        assert full_sandbox.run("exec", "getent", "hosts", name).stdout.split()[0] == "127.0.0.1"
    assert full_sandbox.run("exec", "getent", "hosts", "vllm.example.com", check=False).returncode
    assert "Ready" in full_sandbox.run("exec", "kubectl", "get", "nodes").stdout


def test_names_given_later_resolve_at_once(full_sandbox: Sandbox) -> None:
    name = "login.example.com"
    assert full_sandbox.run("exec", "getent", "hosts", name, check=False).returncode
    full_sandbox.environment["SANDBOX_HOSTS"] = name
    full_sandbox.start("full")
    assert full_sandbox.run("exec", "getent", "hosts", name).stdout.split()[0] == "127.0.0.1"


@pytest.fixture
def sandbox_of_nobody() -> Iterator[Sandbox]:
    """A sandbox as an unprivileged user, with a copy of what that user may not read."""
    with new_sandbox() as made:
        if os.geteuid() == 0:
            made.prefix = as_nobody(made)
        yield made


def as_nobody(made: Sandbox) -> tuple[str, ...]:
    copy = made.directory.parent
    for package in ("sandbox", "tools"):
        shutil.copytree(REPOSITORY / package, copy / package)
    shutil.copytree(Path(yaml.__file__).parent, copy / "yaml")
    installed = cache.root()
    shutil.copytree(
        installed / "entries",
        copy / "cache" / installed.name / "entries",
        symlinks=True,
        copy_function=os.link,
    )
    made.directory.mkdir()
    os.chown(made.directory, NOBODY, NOBODY)
    copy.chmod(0o755)
    made.environment |= {
        "PYTHONPATH": str(copy),
        "XDG_CACHE_HOME": str(copy / "cache"),
        "HOME": str(made.directory),
    }
    # env, since setpriv itself still has root's rights when it executes its command.
    drop = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "env")
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        if (
            subprocess.run(
                [*drop, python, "-c", "import sys"], check=False, capture_output=True
            ).returncode
            == 0
        ):
            return (*drop, python)
    raise AssertionError("no Python that an unprivileged user may run")


def test_an_unprivileged_user_runs_the_full_tier(sandbox_of_nobody: Sandbox) -> None:
    drop = sandbox_of_nobody.prefix[:-1]
    allowed = (
        "unshare",
        "--user",
        "--map-root-user",
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--mount-proc",
        "true",
    )
    if subprocess.run([*drop, *allowed], check=False, capture_output=True).returncode:
        pytest.skip("user namespaces are refused to unprivileged users here")
    sandbox_of_nobody.start("full")
    owners = {Path(f"/proc/{pid}").stat().st_uid for pid in sandbox_of_nobody.pids().values()}
    assert owners == {NOBODY if os.geteuid() == 0 else os.geteuid()}
    assert "Ready" in sandbox_of_nobody.run("exec", "kubectl", "get", "nodes").stdout
    sandbox_of_nobody.run("stop")
    assert command_lines_with(f"{sandbox_of_nobody.directory}/") == []
