"""The third source: builds from Go modules that go.mod and go.sum pin."""

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from tools import cache
from tools.pins import TOOLS, go_version, module_version
from tools.records import Artifact, GoBuild, ModuleFile, this_platform
from tools.session import InstallError, Session, Unavailable

_TAIL_LINES = 20


def applies(artifact: Artifact) -> bool:
    """Whether the artifact is built from Go."""
    return bool(artifact.builds)


def doing(artifact: Artifact) -> str:
    """What is about to happen, for the message on standard error."""
    return f"building from Go modules (about {about(artifact.seconds)})"


def about(seconds: int) -> str:
    """A duration in words, as in `3 minutes`."""
    if seconds < 60:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


def obtain(artifact: Artifact, destination: Path, session: Session) -> tuple[Path, ...]:
    """Build the artifact's programs into `destination/bin`.

    Raises:
        Unavailable: go is missing or too old.
        InstallError: a build failed.
        InterruptedError: the run has been interrupted.
    """
    for module in cache.modules(artifact):
        require_go(module)
    binaries = destination / "bin"
    binaries.mkdir(parents=True)
    work = destination.with_name("modules")
    for build in artifact.builds:
        _build(build, artifact, work, binaries, session)
    for script in artifact.scripts:
        target = binaries / Path(script.file).name
        shutil.copyfile(_module_file(script, work, session), target)
        target.chmod(0o755)
    return ()


def require_go(module: str) -> None:
    """Check that go is there and new enough for `tools/<module>`.

    Raises:
        Unavailable: it is not; the message holds the remedy.
    """
    wanted = go_version(module)
    remedy = f"install Go {wanted} or newer from https://go.dev/dl/ and run the command again"
    if shutil.which("go") is None:
        raise Unavailable(f"go is not on PATH; {remedy}")
    # Asked in the module's directory, where go switches to a newer toolchain if it is allowed to.
    answer = subprocess.run(
        ["go", "env", "GOVERSION"],
        cwd=TOOLS / module,
        env={**os.environ, "GOWORK": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"go(\d+(?:\.\d+)*)", answer.stdout)
    if answer.returncode != 0 or found is None:
        raise Unavailable(f"go does not run ({answer.stderr.strip()}); {remedy}")
    if _numbers(found[1]) < _numbers(wanted):
        raise Unavailable(f"go {found[1]} is too old; {remedy}")


def module_directory(module: str, path: str, work: Path, session: Session) -> Path:
    """Directory of the Go module `path` in the module cache, downloaded and verified by go.sum.

    Raises:
        InstallError: the download failed.
    """
    copy = _copy_of(module, work)
    version = module_version(module, path)
    log = work / "download.log"
    status = session.download(
        ["go", "mod", "download", "-json", f"{path}@{version}"],
        cwd=copy,
        log=log,
        environment={"GOWORK": "off"},
    )
    text = log.read_text(encoding="utf-8", errors="replace")
    found = re.search(r"^\{.*^\}", text, re.M | re.S)
    if status != 0 or found is None:
        raise InstallError(f"go mod download {path}@{version} failed:\n{_tail(text)}")
    return Path(json.loads(found[0])["Dir"])


def _build(
    build: GoBuild, artifact: Artifact, work: Path, binaries: Path, session: Session
) -> None:
    started = time.monotonic()
    copy = _copy_of(build.module, work)
    for source in build.sources:
        shutil.copyfile(_module_file(source, work, session), copy / Path(source.file).name)
    flags = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in build.variables)])
    output = str(binaries / build.program)
    command = ["go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", output]
    command += ["-tags", ",".join(build.tags)] if build.tags else []
    log = cache.root() / "logs" / f"{cache.entry(artifact).name}-{build.program}.log"
    target = this_platform()
    status = session.download(
        [*command, build.package],
        cwd=copy,
        log=log,
        environment={
            "CGO_ENABLED": "0",
            "GOWORK": "off",
            "GOOS": target.os,
            "GOARCH": target.arch,
        },
    )
    if status != 0:
        tail = _tail(log.read_text(encoding="utf-8", errors="replace"))
        raise InstallError(
            f"go build of {build.program} failed with status {status}; the end of {log}:\n{tail}"
        )
    for link in build.links:
        (binaries / link).symlink_to(build.program)
    seconds = time.monotonic() - started
    session.say(f"built {build.program} v{build.version} from Go modules in {seconds:.0f} s")


def _module_file(file: ModuleFile, work: Path, session: Session) -> Path:
    return module_directory(file.module, file.path, work, session) / file.file


def _copy_of(module: str, work: Path) -> Path:
    # A copy, because go may write into a module's directory, and a build adds files to it.
    copy = work / module
    if not copy.exists():
        ignore = shutil.ignore_patterns("*.json", "*.py")
        shutil.copytree(TOOLS / module, copy, ignore=ignore)
    return copy


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _tail(text: str) -> str:
    return "\n".join(text.splitlines()[-_TAIL_LINES:])
