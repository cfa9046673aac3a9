"""The first source: programs that are on PATH in a suitable version."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tools import cache
from tools.records import Artifact, Program
from tools.session import Session, Unavailable

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_TIMEOUT_SECONDS = 20


def applies(artifact: Artifact) -> bool:
    """Whether each program of the artifact can be asked for its version."""
    return bool(artifact.programs) and all(p.version_command for p in artifact.programs)


def doing(artifact: Artifact) -> str:
    """What is about to happen, for the message on standard error."""
    return f"looking for {', '.join(program.name for program in artifact.programs)} on PATH"


def obtain(artifact: Artifact, destination: Path, session: Session) -> tuple[Path, ...]:
    """Link the artifact's programs into `destination/bin`; returns the real files.

    Raises:
        Unavailable: one is not on PATH (empty message), or not suitable.
    """
    files = [file for program in artifact.programs for file in suitable(program)]
    binaries = destination / "bin"
    binaries.mkdir(parents=True)
    for file in files:
        (binaries / file.name).symlink_to(file)
    session.say(f"{artifact.label}: using {', '.join(str(file) for file in files)}")
    return tuple(file.resolve() for file in files)


def suitable(program: Program) -> list[Path]:
    """The program on PATH, and the files that must lie beside it.

    Raises:
        Unavailable: it is not on PATH (empty message), or not suitable.
    """
    found = _find(program.name)
    version = _version(found, program)
    if not _satisfies(version, program):
        raise Unavailable(f"{found} is version {version}, not {_wanted(program)}")
    companions = [found.resolve().parent / name for name in program.beside]
    for companion in companions:
        if not os.access(companion, os.X_OK):
            raise Unavailable(f"{found} has no {companion.name} beside it")
    return [found, *companions]


def _find(name: str) -> Path:
    # Entries of this cache are links themselves, and may be of other pins.
    own = str(cache.root())
    directories = os.environ.get("PATH", os.defpath).split(os.pathsep)
    search = os.pathsep.join(d for d in directories if d and not d.startswith(own))
    found = shutil.which(name, path=search)
    if found is None:
        raise Unavailable("")
    return Path(found).absolute()


def _version(file: Path, program: Program) -> str:
    command = [str(file), *program.version_command]
    try:
        answer = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
            # The engine would otherwise ask its maker's server for news.
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{' '.join(command)} failed ({error})") from error
    version = _VERSION.search(answer.stdout.decode(errors="replace"))
    if version is None:
        raise Unavailable(f"{' '.join(command)} prints no version")
    return version[0]


def _satisfies(version: str, program: Program) -> bool:
    found, wanted = _numbers(version), _numbers(program.version)
    if program.oldest:
        return found >= _numbers(program.oldest)
    if program.minimum:
        return found[0] == wanted[0] and found >= wanted
    return found == wanted


def _wanted(program: Program) -> str:
    if program.oldest:
        return f"{program.oldest} or later"
    major = program.version.split(".", maxsplit=1)[0]
    return program.version + (f" or a later {major}.x" if program.minimum else "")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
