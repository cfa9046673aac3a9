"""Says where the installed programs are; never installs anything."""

from collections.abc import Iterable
from pathlib import Path

from tools import cache
from tools.artifacts import all_artifacts, in_groups, named
from tools.records import Artifact


class MissingTool(Exception):  # noqa: N818 - it names a state the caller can remedy
    """A program is not installed; the message holds the command that installs it."""


def program(name: str) -> Path:
    """Absolute path of an executable such as `pulumi`, `kube-apiserver` or `keda-operator`.

    Raises:
        MissingTool: it is not installed, or no group has a program of that name.
    """
    for artifact in all_artifacts():
        if name in {n for p in artifact.programs for n in (p.name, *p.beside)}:
            return _installed(artifact, name) / "bin" / name
    raise MissingTool(f"{name}: no group has a program of that name")


def manifests() -> Path:
    """Directory of `kwok-stages.yaml` and of `*-crds.yaml`.

    The definitions are those of keda, http-add-on, traefik, leaderworkerset, gateway-api,
    cert-manager and external-secrets.

    Raises:
        MissingTool: the group `core` is not installed.
    """
    return _installed(named("manifests"), "manifests")


def pulumi_home() -> Path:
    """Directory for the variable PULUMI_HOME, with the Kubernetes provider installed in it.

    Raises:
        MissingTool: the group `engine` is not installed.
    """
    return _installed(named("pulumi-home"), "pulumi-home")


def path_entries(groups: Iterable[str]) -> list[Path]:
    """Directories to put before PATH so that the programs of the groups are found by name.

    Raises:
        MissingTool: a program of one of the groups is not installed.
        ValueError: there is no such group.
    """
    # The provider is left out: found on PATH it would be used instead of the installed plugin,
    # with a warning on every command.
    plugins = {artifact.plugin.program for artifact in all_artifacts() if artifact.plugin}
    return [
        _installed(artifact, artifact.name) / "bin"
        for artifact in in_groups(tuple(groups))
        if any(program.name not in plugins for program in artifact.programs)
    ]


def _installed(artifact: Artifact, subject: str) -> Path:
    directory = cache.entry(artifact)
    if not cache.is_present(directory):
        raise MissingTool(
            f"{subject}: not installed; run `python3 -m tools install {artifact.group}`"
        )
    return directory
