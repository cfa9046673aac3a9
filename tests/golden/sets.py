"""The golden sets: what the real engine renders, for each GPU vendor and each kind of storage.

The sets of `pvc` hold the whole app with its ingress and autoscaler, the others the server alone.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.pulumi_project import STACK, PulumiProject

FOLDER = Path(__file__).resolve().parent
PRESETS = {"nvidia": "nvidia-l4-1", "amd": "amd-mi300x-1"}
STORAGES: dict[str, dict[str, Any]] = {
    "pvc": {"accessMode": "ReadWriteMany", "storageClass": "fast-shared"},
    "existingClaim": {"claimName": "models"},
    "hostPath": {"path": "/mnt/models"},
    "nfs": {"server": "nas.example.com", "path": "/models"},
    "csi": {"driver": "files.example.com", "volumeAttributes": {"share": "models"}},
    "apolo": {"cluster": "novoserve", "org": "acme", "project": "chat"},
    "none": {"size": "20Gi"},
}
_AUTONAMED = re.compile(r"[\w.-]+-[0-9a-f]{8}")


@dataclass(frozen=True, kw_only=True)
class GoldenSet:
    """One vendor with one storage."""

    vendor: str
    storage: str

    @property
    def name(self) -> str:
        """The folder's name."""
        return f"{self.vendor}-{self.storage}"

    @property
    def folder(self) -> Path:
        """Where the set is kept."""
        return FOLDER / self.name

    def stack_file(self) -> str:
        """The stack that is rendered."""
        whole = self.storage == "pvc"
        config: dict[str, Any] = {
            "model": "mistral-7b-instruct",
            "preset": PRESETS[self.vendor],
            "presets": "presets/sandbox.yaml",
            "kubernetes": {"renderTo": "rendered"},
            "ingress": {"host": "{app}.example.com"} if whole else {"enabled": False},
            "autoscaling": {"enabled": whole},
            "cache": {"storage": self.storage, **STORAGES[self.storage]},
        }
        return yaml.safe_dump({"config": {f"mistral-vllm:{key}": config[key] for key in config}})


SETS = [GoldenSet(vendor=vendor, storage=storage) for vendor in PRESETS for storage in STORAGES]


def kept(folder: Path) -> dict[str, str]:
    """Every manifest of a set by its file's name."""
    return {file.name: file.read_text() for file in sorted(folder.glob("*.yaml"))}


def rendered(golden: GoldenSet, folder: Path) -> dict[str, str]:
    """Render a set with the real engine, and give the manifests with stable names."""
    project = PulumiProject(folder=folder / "checkout", backend=folder / "backend")
    project.check_out(golden.stack_file())
    project.succeed("stack", "init", STACK)
    project.up()
    files = sorted((project.folder / "rendered").rglob("*.yaml"))
    return dict(_stable([(file.name, file.read_text()) for file in files]))


def _stable(manifests: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Replace the end of each name that the engine made up, which differs from run to run."""
    names = [yaml.safe_load(text)["metadata"]["name"] for _, text in manifests]
    made_up = [name for name in names if _AUTONAMED.fullmatch(name)]
    for file, text in manifests:
        for name in made_up:
            stable = f"{name[:-8]}00000000"
            file, text = file.replace(name, stable), text.replace(name, stable)  # noqa: PLW2901
        yield file, text


def write_all() -> None:
    """Write every set anew."""
    for golden in SETS:
        with tempfile.TemporaryDirectory() as folder:
            manifests = rendered(golden, Path(folder))
        shutil.rmtree(golden.folder, ignore_errors=True)
        golden.folder.mkdir()
        for name, text in manifests.items():
            (golden.folder / name).write_text(text)
