"""Installs artifacts: from the first source that has them, side by side, whole or not at all."""

import os
import shutil
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from tools import assembly, cache, go_modules, on_path, python_packages, release
from tools.artifacts import in_groups
from tools.records import Artifact
from tools.session import InstallError, Session, Unavailable

_SOURCES = {"path": on_path, "release": release, "go": go_modules, "pip": python_packages}


def missing(groups: tuple[str, ...]) -> list[Artifact]:
    """Artifacts of the groups that are not installed, those with the longest build first.

    Raises:
        ValueError: there is no such group.
    """
    absent = [a for a in in_groups(groups) if not cache.is_present(cache.entry(a))]
    return sorted(absent, key=lambda artifact: -artifact.seconds)


def install_all(artifacts: list[Artifact], session: Session) -> list[str]:
    """Install the artifacts, those that need none of the others at once; returns what failed.

    A failure leaves the others running, since each is kept; only those that need it are left out.
    """
    workers = max(2, (os.cpu_count() or 1) // 2)
    waiting = list(artifacts)
    running: dict[Future[None], Artifact] = {}
    failures: dict[str, str] = {}
    with ThreadPoolExecutor(max_workers=workers) as pool:
        try:
            while waiting or running:
                for artifact in _ready(waiting, list(running.values()), failures):
                    waiting.remove(artifact)
                    running[pool.submit(install, artifact, session)] = artifact
                if not running:
                    break
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    _settle(running.pop(future), future, failures, session)
        except BaseException:
            session.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return list(failures.values())


def install(artifact: Artifact, session: Session) -> None:
    """Install one artifact; returns at once if it is there.

    Raises:
        InstallError: no source provides it.
        InterruptedError: the run has been interrupted.
    """
    target = cache.entry(artifact)

    def on_wait() -> None:
        session.say(f"{artifact.label}: waiting for another process that is installing it")

    with cache.locked(target, on_wait, session.stopped):
        if cache.is_present(target):
            return
        with cache.workspace(target) as work:
            source, borrowed = _obtain(artifact, work / "entry", session)
            cache.publish(work / "entry", target, source, borrowed)


def _ready(
    waiting: list[Artifact], running: list[Artifact], failures: dict[str, str]
) -> list[Artifact]:
    unfinished = {artifact.name for artifact in (*waiting, *running)} | set(failures)
    return [artifact for artifact in waiting if not unfinished.intersection(artifact.needs)]


def _settle(
    artifact: Artifact, future: Future[None], failures: dict[str, str], session: Session
) -> None:
    try:
        future.result()
    except InterruptedError:
        raise
    except InstallError as error:
        failures[artifact.name] = str(error)
    except OSError as error:
        failures[artifact.name] = f"{artifact.label} cannot be installed: {error}"
    if artifact.name in failures:
        session.say(failures[artifact.name])


def _obtain(
    artifact: Artifact, destination: Path, session: Session
) -> tuple[str, tuple[Path, ...]]:
    if artifact.needs:
        return _assembled(artifact, destination, session)
    reasons: list[str] = []
    for name in session.settings.sources:
        source = _SOURCES[name]
        if not source.applies(artifact):
            continue
        if reasons or source is not on_path:
            steps = [*reasons[-1:], source.doing(artifact)]
            session.say(f"{artifact.label}: {'; '.join(steps)}")
        try:
            return name, source.obtain(artifact, destination, session)
        except Unavailable as unavailable:
            shutil.rmtree(destination, ignore_errors=True)
            reasons += [str(unavailable)] if str(unavailable) else []
    raise InstallError(_refusal(artifact, session.settings.sources, reasons))


def _assembled(
    artifact: Artifact, destination: Path, session: Session
) -> tuple[str, tuple[Path, ...]]:
    started = time.monotonic()
    try:
        assembly.assemble(artifact, destination, session)
    except Unavailable as unavailable:
        raise InstallError(f"{artifact.label} cannot be installed: {unavailable}") from unavailable
    session.say(f"made {artifact.label} in {time.monotonic() - started:.0f} s")
    return "assembly", ()


def _refusal(artifact: Artifact, allowed: tuple[str, ...], reasons: list[str]) -> str:
    if reasons:
        return f"{artifact.label} cannot be installed: {'; '.join(reasons)}"
    others = [name for name, source in _SOURCES.items() if source.applies(artifact)]
    return (
        f"{artifact.label} cannot be installed: it is not to be had from {', '.join(allowed)}; "
        f"allow {' or '.join(n for n in others if n not in allowed)} in TOOLS_SOURCES"
    )
