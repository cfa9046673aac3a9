"""Says where the installed programs are; never installs anything."""

from collections.abc import Iterable
from pathlib import Path


class MissingTool(Exception):
    """A program is not installed; the message holds the command that installs it."""


def program(name: str) -> Path:
    """Absolute path of an executable such as `pulumi`, `kube-apiserver`, `kubectl` or `keda-operator`.

    Raises:
        MissingTool: it is not installed, or no group has a program of that name.
    """
    raise MissingTool(f"{name} is not installed: run `python3 -m tools install`")


def manifests() -> Path:
    """Directory that holds `keda-crds.yaml`, `http-add-on-crds.yaml`, `traefik-crds.yaml` and `kwok-stages.yaml`.

    Raises:
        MissingTool: the group `core` is not installed.
    """
    raise MissingTool("the manifests are not installed: run `python3 -m tools install core`")


def pulumi_home() -> Path:
    """Directory for the variable PULUMI_HOME, with the Kubernetes provider installed in it.

    Raises:
        MissingTool: the group `engine` is not installed.
    """
    raise MissingTool("the Kubernetes provider is not installed: run `python3 -m tools install engine`")


def path_entries(groups: Iterable[str]) -> list[Path]:
    """Directories to put before PATH so that the programs of the groups are found by name.

    Raises:
        MissingTool: a program of one of the groups is not installed, or there is no such group.
    """
    raise MissingTool(f"run `python3 -m tools install {' '.join(groups)}`")
