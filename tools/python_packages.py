"""The fourth source: Python packages, each in a virtual environment of its own."""

import time
import venv
from pathlib import Path

from tools.pins import TOOLS
from tools.records import Artifact, PythonArtifact
from tools.session import InstallError, Session, Unavailable

_TAIL_LINES = 20


def applies(artifact: Artifact) -> bool:
    """Whether the artifact is a Python package."""
    return isinstance(artifact, PythonArtifact)


def doing(artifact: Artifact) -> str:
    """What is about to happen, for the message on standard error."""
    return f"installing {artifact.name} with pip"


def obtain(artifact: Artifact, destination: Path, session: Session) -> tuple[Path, ...]:
    """Install the package into `destination`; returns the Python that the environment links to.

    Raises:
        Unavailable: it is no Python package.
        InstallError: pip failed.
        InterruptedError: the run has been interrupted.
    """
    if not isinstance(artifact, PythonArtifact):
        raise Unavailable("")
    started = time.monotonic()
    venv.create(destination, symlinks=True, with_pip=True)
    python = destination / "bin" / "python"
    requirements = TOOLS / artifact.directory / "requirements.txt"
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--requirement", str(requirements)]
    log = destination.with_name("pip.log")
    if session.download(command, cwd=destination, log=log) != 0:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise InstallError("\n".join([f"{' '.join(command)} failed:", *lines[-_TAIL_LINES:]]))
    _write_launcher(artifact, destination / "bin")
    session.say(f"installed {artifact.label} in {time.monotonic() - started:.0f} s")
    # The environment breaks where its Python goes or changes.
    return (python.resolve(),)


def _write_launcher(artifact: PythonArtifact, binaries: Path) -> None:
    # pip's own holds the path of this directory, which is about to be renamed. Isolated, so that a
    # module of the directory that it runs in is not taken for one of the package's.
    launcher = binaries / artifact.programs[0].name
    launcher.write_text(f'#!/bin/sh\nexec "${{0%/*}}/python" -I -m {artifact.main} "$@"\n')
    launcher.chmod(0o755)
