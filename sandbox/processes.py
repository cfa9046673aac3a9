"""Long-running processes that outlive the command which starts them, known by pid and command."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.probes import Probe
from sandbox.state import SandboxError, Settings

# These run outside of the namespace that the others run in: their pids mean nothing inside.
NAMESPACE = "namespace"
FORWARDER = "forwarder"
OUTSIDE = (NAMESPACE, FORWARDER)

_POLL_SECONDS = 0.05
_LAST_LINES = 12
_GRACE_SECONDS = 5.0
# Nothing outlives SIGKILL, but a busy machine may take its time to clear up.
_DEATH_SECONDS = 60.0
# What a component may see of the caller's environment. Proxy variables above all stay out: the
# components talk to each other by cluster names that no proxy knows.
_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL")

_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True, kw_only=True)
class Component:
    """A process of the sandbox and how to tell that it serves."""

    name: str
    command: tuple[str, ...]
    probe: Probe
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


def recorded(settings: Settings) -> list[str]:
    """Return the names of the components that were started where this process runs."""
    names = sorted(path.stem for path in settings.pids.glob("*.json"))
    return [name for name in names if name not in OUTSIDE]


def log_path(settings: Settings, name: str) -> Path:
    """Return the file that holds a component's output of its last start."""
    return settings.logs / f"{name}.log"


def running_pid(settings: Settings, name: str) -> int | None:
    """Return the pid of a started component, None when it has ended.

    Pids are reused: another process than this one's own child counts only while it has the very
    command line that was started. A child is asked itself, since its command line is empty for a
    moment after it began, and once it has ended until it is asked.
    """
    try:
        record = json.loads((settings.pids / f"{name}.json").read_text())
    except FileNotFoundError:
        return None
    pid = int(record["pid"])
    if pid in _CHILDREN:
        return pid if _CHILDREN[pid].poll() is None else None
    return pid if command_line(pid) == " ".join(record["command"]) else None


def command_line(pid: int) -> str | None:
    """Return the command of a live process; None for a dead one, a zombie or a stranger's."""
    if Path("/proc/self").exists():
        try:
            text = Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
        except OSError:
            return None
        return text.removesuffix("\0").replace("\0", " ") or None
    shown = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip() or None


def start(settings: Settings, component: Component) -> None:
    """Start a component in a session of its own, unless it already runs.

    Raises:
        SandboxError: The program cannot be executed.
    """
    if running_pid(settings, component.name):
        return
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    with log_path(settings, component.name).open("wb") as log:
        try:
            process = subprocess.Popen(
                component.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=inherited | dict(component.environment),
                start_new_session=True,
                # The caller's own, seen from another mount namespace, has no path.
                cwd=settings.directory,
            )
        except OSError as error:
            message = f"{component.name} cannot be started: {error}"
            raise SandboxError(message) from error
    _CHILDREN[process.pid] = process
    try:
        _record(settings, component, process.pid)
    except BaseException:
        # An interrupted start stops what is recorded.
        process.kill()
        raise


def _record(settings: Settings, component: Component, pid: int) -> None:
    """Note a process, by one rename: neither an interrupted start nor a reader meets half of it."""
    draft = settings.pids / f"{component.name}.new"
    draft.write_text(json.dumps({"pid": pid, "command": list(component.command)}))
    draft.rename(settings.pids / f"{component.name}.json")


def wait_ready(settings: Settings, components: Sequence[Component], seconds: float) -> None:
    """Wait until all the components serve.

    Raises:
        SandboxError: One has ended, or does not serve after so many seconds.
    """
    deadline = time.monotonic() + seconds
    waiting = list(components)
    while waiting:
        waiting = [component for component in waiting if not component.probe()]
        for component in waiting:
            if running_pid(settings, component.name) is None and not component.probe():
                raise SandboxError(_obituary(settings, component.name, "ended during the start"))
        if waiting and time.monotonic() > deadline:
            reason = f"is not ready after {seconds:.0f} s"
            raise SandboxError(_obituary(settings, waiting[0].name, reason))
        if waiting:
            time.sleep(_POLL_SECONDS)


def wait_until(description: str, condition: Callable[[], bool], seconds: float) -> None:
    """Wait for a condition that belongs to no single component.

    Raises:
        SandboxError: It does not hold after so many seconds.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            message = f"{description}: not so after {seconds:.0f} s; see `python -m sandbox status`"
            raise SandboxError(message)
        time.sleep(_POLL_SECONDS)


def stop(settings: Settings, names: Sequence[str], *, kill: bool = False) -> None:
    """End components by SIGTERM, and by SIGKILL those that take longer than 5 s; kill: at once."""
    last = (signal.SIGKILL, _DEATH_SECONDS)
    for number, seconds in (last,) if kill else ((signal.SIGTERM, _GRACE_SECONDS), last):
        alive = [pid for name in names if (pid := running_pid(settings, name))]
        for pid in alive:
            send(pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and (
            any(running_pid(settings, name) for name in names)
            or not all(_has_let_go(pid) for pid in alive)
        ):
            time.sleep(_POLL_SECONDS)
    for name in names:
        if running_pid(settings, name) is None:
            (settings.pids / f"{name}.json").unlink(missing_ok=True)


def _has_let_go(pid: int) -> bool:
    """Tell whether a process has closed its ports.

    Its command line is gone before that, and its first thread may have ended before its others.
    """
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        stats = [(thread / "stat").read_text(errors="replace") for thread in threads]
    except OSError:
        # Asked again, it is gone altogether, or a thread of it was.
        return not Path(f"/proc/{pid}").exists()
    # The state follows the name, which may hold anything but ends with the last bracket.
    return all(stat.rpartition(")")[2].split()[0] in {"Z", "X"} for stat in stats)


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may have ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _obituary(settings: Settings, name: str, reason: str) -> str:
    path = log_path(settings, name)
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    tail = "".join(f"\n    {line}" for line in lines[-_LAST_LINES:]) or "\n    (nothing)"
    return f"{name} {reason}; its last output, from {path}:{tail}"
