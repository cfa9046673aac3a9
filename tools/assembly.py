"""Artifacts that are put together from others: the manifests and the PULUMI_HOME."""

import os
from pathlib import Path

from tools import cache, go_modules
from tools.artifacts import named
from tools.records import Artifact, Manifest, Plugin
from tools.session import InstallError, Session, Unavailable


def assemble(artifact: Artifact, destination: Path, session: Session) -> None:
    """Make the artifact in `destination`; what it needs is installed.

    Raises:
        Unavailable: Go modules are needed, and cannot be had.
        InstallError: a command failed.
        InterruptedError: the run has been interrupted.
    """
    destination.mkdir(parents=True)
    work = destination.with_name("modules")
    if artifact.manifests:
        _require_modules(artifact, session)
    for manifest in artifact.manifests:
        _write(manifest, artifact, destination, work, session)
    if artifact.plugin:
        _install_plugin(artifact.plugin, artifact, destination, session)


def _require_modules(artifact: Artifact, session: Session) -> None:
    if "go" not in session.settings.sources:
        raise Unavailable("it is made from Go modules only: add go to TOOLS_SOURCES")
    for module in cache.modules(artifact):
        go_modules.require_go(module)


def _write(
    manifest: Manifest, artifact: Artifact, destination: Path, work: Path, session: Session
) -> None:
    directory = go_modules.module_directory(manifest.module, manifest.path, work, session)
    target = destination / manifest.name
    if not manifest.kustomization:
        parts = [(directory / file).read_text(encoding="utf-8") for file in manifest.files]
        documents = [part.removeprefix("---\n").rstrip() + "\n" for part in parts]
        target.write_text("---\n" + "---\n".join(documents), encoding="utf-8")
        return
    kubectl = _binary(artifact, "kubectl")
    command = [kubectl, "kustomize", str(directory / manifest.kustomization), "-o", str(target)]
    _checked(command, destination, session, f"{manifest.name} of {manifest.path}", {})


def _install_plugin(
    plugin: Plugin, artifact: Artifact, destination: Path, session: Session
) -> None:
    provider = _binary(artifact, plugin.program)
    environment = {"PULUMI_HOME": str(destination), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    command = [_binary(artifact, "pulumi"), "plugin", "install", "resource"]
    command += [plugin.name, plugin.version, "--file", provider]
    _checked(command, destination, session, f"the plugin {plugin.name}", environment)
    copy = destination / "plugins" / f"resource-{plugin.name}-v{plugin.version}" / plugin.program
    if not copy.is_file():
        raise InstallError(f"{' '.join(command)} installed no {copy.relative_to(destination)}")
    # The copy is 300 MB; a hard link costs nothing, and neither file is ever written to.
    copy.unlink()
    os.link(provider, copy)


def _checked(
    command: list[str],
    destination: Path,
    session: Session,
    subject: str,
    environment: dict[str, str],
) -> None:
    log = destination.with_name("command.log")
    status = session.run(command, cwd=destination, log=log, environment=environment)
    if status != 0:
        output = log.read_text(encoding="utf-8", errors="replace").strip()
        raise InstallError(f"{subject}: {' '.join(command)} failed with status {status}:\n{output}")


def _binary(artifact: Artifact, name: str) -> str:
    for needed in artifact.needs:
        file = cache.entry(named(needed)) / "bin" / name
        if file.exists():
            return str(file)
    raise InstallError(f"{artifact.label} needs {name}, which {artifact.needs} do not provide")
