"""A private namespace for the full tier: loopback only, /etc/hosts of its own, no need of root."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox import network, processes
from sandbox.probes import FileProbe
from sandbox.processes import Component
from sandbox.state import REPOSITORY, Settings

_AS_ROOT = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_WITH_USER = ("--user", "--map-root-user", *_AS_ROOT)
_START_SECONDS = 60.0


def python_environment() -> dict[str, str]:
    """Return the variables with which a Python process finds this package from any directory."""
    paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths)}


def flags() -> tuple[str, ...] | None:
    """Return the arguments of unshare that this system allows, None when it allows none."""
    choices = (_AS_ROOT, _WITH_USER) if os.geteuid() == 0 else (_WITH_USER,)
    for choice in choices:
        try:
            done = subprocess.run(["unshare", *choice, "true"], capture_output=True, check=False)
        except OSError:
            return None
        if done.returncode == 0:
            return choice
    return None


def write_hosts(settings: Settings) -> None:
    """Write what is /etc/hosts inside; while the namespace exists it changes at once."""
    own = network.hosts_lines(settings.hosts)
    settings.hosts_file.write_text(Path("/etc/hosts").read_text().rstrip("\n") + "\n" + own)


def create(settings: Settings, allowed: Sequence[str]) -> None:
    """Start the process that holds the namespace, and wait until it is set up.

    Raises:
        SandboxError: It could not set the namespace up; the message has its reason.
    """
    ready = settings.sockets / "namespace.ready"
    if processes.running_pid(settings, processes.NAMESPACE) is None:
        ready.unlink(missing_ok=True)
    write_hosts(settings)
    # Without `ndots`, a name with one dot in it is asked for as it is.
    settings.resolver_file.write_text("nameserver 127.0.0.1\n")
    arguments = (str(settings.hosts_file), str(settings.resolver_file), str(ready))
    holder = Component(
        name=processes.NAMESPACE,
        command=("unshare", *allowed, "--", sys.executable, "-m", "sandbox.hold", *arguments),
        environment=python_environment(),
        probe=FileProbe(path=ready),
    )
    processes.start(settings, holder)
    processes.wait_ready(settings, [holder], _START_SECONDS)


def entry(settings: Settings) -> tuple[str, ...] | None:
    """Return the command prefix that runs a command inside, None when there is no namespace."""
    holder = processes.running_pid(settings, processes.NAMESPACE)
    if holder is None:
        return None
    # The holder itself stays outside of the pid namespace that it makes for its child.
    kinds = {"net": "net", "mount": "mnt", "pid": "pid_for_children"}
    names = [f"--{flag}=/proc/{holder}/ns/{kind}" for flag, kind in kinds.items()]
    if not Path(f"/proc/{holder}/ns/user").samefile("/proc/self/ns/user"):
        names = [f"--user=/proc/{holder}/ns/user", "--preserve-credentials", *names]
    return ("nsenter", *names, f"--wd={Path.cwd()}", "--")


def act(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one of this package's actions inside, where the components' pids and ports are."""
    environment = {
        **os.environ,
        **python_environment(),
        "SANDBOX_STATE": str(settings.directory),
        "SANDBOX_PORT_BASE": str(settings.ports.base),
    }
    return subprocess.run(
        [*(entry(settings) or ()), sys.executable, "-m", "sandbox.inside", *words],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def destroy(settings: Settings) -> None:
    """End the namespace and with it every process inside, and wait until they are gone."""
    holder = processes.running_pid(settings, processes.NAMESPACE)
    if holder is None:
        return
    inside = _pid_namespace(holder)
    # unshare passes no signal on and ignores SIGTERM; the kernel ends its child when it dies.
    processes.send(holder, signal.SIGKILL)
    processes.wait_until(
        "the processes in the sandbox's namespace have ended",
        # Listed anew each time: what an interrupted start left inside may start others until then.
        lambda: not any(map(processes.command_line, (holder, *_pids_in(inside).values()))),
        _START_SECONDS,
    )


def outside_pids(settings: Settings) -> dict[int, int]:
    """Return the pid on this machine of each process inside, by its pid there."""
    holder = processes.running_pid(settings, processes.NAMESPACE)
    if holder is None:
        return {}
    return _pids_in(_pid_namespace(holder))


def _pid_namespace(holder: int) -> Path | None:
    """Return the link to the namespace that a holder has made, None while it has made none."""
    try:
        made = Path(f"/proc/{holder}/ns/pid_for_children").readlink()
    except OSError:
        return None
    return None if made == Path("/proc/self/ns/pid").readlink() else made


def _pids_in(inside: Path | None) -> dict[int, int]:
    found: dict[int, int] = {}
    for process in Path("/proc").glob("[0-9]*") if inside else ():
        try:
            if (process / "ns" / "pid").readlink() != inside:
                continue
            status = (process / "status").read_text()
        except OSError:
            continue
        pids = next(line.split() for line in status.splitlines() if line.startswith("NSpid:"))
        found[int(pids[-1])] = int(process.name)
    return found
