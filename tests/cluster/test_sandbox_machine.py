"""The full tier as root where namespaces are refused, tried on a machine of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.state import REPOSITORY
from tests.cluster.sandboxes import Sandbox

pytestmark = pytest.mark.cluster

# A namespace stands in for the machine: it has an interface with an address and its own /etc/hosts.
MACHINE = """
set -e
ip link set lo up
ip link add eth0 type bridge
ip addr add 192.0.2.55/24 dev eth0
ip link set eth0 up
mount --bind "$1" /etc/hosts
PATH=$2:$PATH
"$3" -m sandbox start full
"$3" -m sandbox status
echo "names while it runs: $(grep -c mistral-vllm-sandbox /etc/hosts)"
"$3" -m sandbox stop
"""


@pytest.fixture
def refusing(tmp_path: Path) -> Path:
    """A directory for PATH where unshare is refused, as in a container without the capability."""
    unshare = tmp_path / "unshare"
    unshare.write_text("#!/bin/sh\necho 'unshare failed: Operation not permitted' >&2; exit 1\n")
    unshare.chmod(0o755)
    return tmp_path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may do without a namespace")
def test_root_runs_the_full_tier_without_a_namespace_and_leaves_etc_hosts_as_it_was(
    unstarted_sandbox: Sandbox, refusing: Path
) -> None:
    hosts = refusing / "hosts"
    hosts.write_text("127.0.0.1 localhost\n192.0.2.55 machine\n")
    apart = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if subprocess.run(
        [*apart, "ip", "link", "add", "eth0", "type", "bridge"], check=False
    ).returncode:
        pytest.skip("no namespace or no bridge can be made to stand in for a machine")
    done = subprocess.run(
        [*apart, "sh", "-c", MACHINE, "sh", str(hosts), str(refusing), sys.executable],
        cwd=REPOSITORY,
        env=unstarted_sandbox.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "names while it runs: 3" in done.stdout
    assert hosts.read_text() == "127.0.0.1 localhost\n192.0.2.55 machine\n"
