"""What one run of the command shares: its settings, its messages and the processes it started."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SOURCES = ("path", "release", "go", "pip")
_PAUSES_SECONDS = (2.0, 10.0)
# What go and pip say of a registry that stalled, broke off or was overloaded.
_TRANSIENT = re.compile(
    r"timeout|timed out|deadline exceeded|connection (reset|aborted|broken)|stream error|: EOF"
    r"|unexpected EOF|IncompleteRead|\b(429|50[0234]) [A-Z]",
    re.IGNORECASE,
)


class Unavailable(Exception):  # noqa: N818 - an answer of a source, not a fault
    """A source cannot provide an artifact; the message says why, and is empty if that is normal."""


class InstallError(Exception):
    """An artifact cannot be installed; the message is for the user."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The environment settings TOOLS_SOURCES and TOOLS_RELEASE_MIRROR."""

    sources: tuple[str, ...] = SOURCES
    mirror: str = ""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Settings from the environment.

    Raises:
        ValueError: TOOLS_SOURCES names something that is no source.
    """
    text = environment.get("TOOLS_SOURCES", "")
    sources = tuple(name.strip() for name in text.split(",") if name.strip()) or SOURCES
    for name in sources:
        if name not in SOURCES:
            raise ValueError(
                f"TOOLS_SOURCES: {name!r} is not a source; "
                f"set it to one or more of {', '.join(SOURCES)}, separated by commas"
            )
    return Settings(sources=sources, mirror=environment.get("TOOLS_RELEASE_MIRROR", "").rstrip("/"))


@dataclass
class Session:
    """Settings, output on standard error, and child processes that end with the run."""

    settings: Settings
    unreachable: dict[str, str] = field(default_factory=dict[str, str])
    _stopped: threading.Event = field(default_factory=threading.Event)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _children: set[subprocess.Popen[bytes]] = field(default_factory=set[subprocess.Popen[bytes]])

    def say(self, line: str) -> None:
        """Print one line on standard error; lines of concurrent builds do not mix."""
        with self._guard:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    def stopped(self) -> bool:
        """Whether the run has been interrupted."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """End the run: no process is started any more, and those running are terminated."""
        self._stopped.set()
        with self._guard:
            for child in self._children:
                child.terminate()

    def download(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> int:
        """Run a command that downloads, again where a registry failed it; what it has is kept.

        Raises:
            InterruptedError: the run has been interrupted.
        """
        for pause in _PAUSES_SECONDS:
            status = self.run(command, cwd=cwd, log=log, environment=environment)
            said = log.read_text(encoding="utf-8", errors="replace")
            if status == 0 or not _TRANSIENT.search(said):
                return status
            last = said.strip().splitlines()[-1]
            self.say(f"{Path(command[0]).name}: {last}; trying again in {pause:.0f} s")
            if self._stopped.wait(pause):
                raise InterruptedError
        return self.run(command, cwd=cwd, log=log, environment=environment)

    def run(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> int:
        """Run a command with its output in `log`, and return its exit status.

        Raises:
            InterruptedError: the run has been interrupted.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            with self._guard:
                if self.stopped():
                    raise InterruptedError
                child = subprocess.Popen(
                    command,
                    cwd=cwd,
                    env={**os.environ, **(environment or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
                self._children.add(child)
            status = child.wait()
        with self._guard:
            self._children.discard(child)
        if self.stopped():
            raise InterruptedError
        return status
