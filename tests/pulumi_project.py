"""Copies of the program with a state of their own, driven by the real Pulumi command line."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STACK = "dev"
PLUGIN_TROUBLE = re.compile(r"warning.*(plugin|\$PATH)", re.IGNORECASE)
"""What the engine says of a provider or language host that it found on PATH or in two places."""

_PROGRAM = (
    "catalog",
    "cluster",
    "components",
    "downloader",
    "manifests",
    "planning",
    "presets",
    "settings",
)
_FILES = ("__main__.py", "Pulumi.yaml")
_PATIENCE_SECONDS = 900
_OWN_VARIABLES = ("KUBECONFIG", "PULUMI_", "PYTHONPATH")
"""Of the environment these tests run in, as `make env` prints it, all but where the engine is."""


_AWAIT_NO_MODEL = """\
import runpy
import pulumi


def unawaited(args):
    if args.type_ in ("kubernetes:apps/v1:Deployment", "kubernetes:batch/v1:Job"):
        metadata = args.props["metadata"]
        metadata.annotations = {**(metadata.annotations or {}), "pulumi.com/skipAwait": "true"}
    return pulumi.ResourceTransformationResult(args.props, args.opts)


pulumi.runtime.register_stack_transformation(unawaited)
"""
_RUN_PROGRAM = """
runpy.run_path("program.py", run_name="__main__")
"""


@dataclass(frozen=True, kw_only=True)
class PulumiProject:
    """A checkout of the program beside the work tree, whose stack files stay untouched."""

    folder: Path
    backend: Path
    kubeconfig: Path = Path("/nonexistent/kubeconfig")
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    transcript: list[str] = field(default_factory=list[str])

    def check_out(self, stack_file: str) -> PulumiProject:
        """Copy the program here, with the text of its stack file, and return self."""
        assert shutil.which("pulumi"), 'no pulumi on PATH: `make test`, or eval "$(make -s env)"'
        self.folder.mkdir(parents=True)
        self.backend.mkdir(parents=True, exist_ok=True)
        for name in _PROGRAM:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, self.folder / name, ignore=ignored)
        for name in _FILES:
            shutil.copy(ROOT / name, self.folder / name)
        # The released CLI reads `virtualenv: .venv` of Pulumi.yaml.
        (self.folder / ".venv").symlink_to(sys.prefix)
        self.stack_file.write_text(stack_file)
        return self

    def await_no_model(self, first: str = "") -> PulumiProject:
        """Take the provider's wait for the download and the server's pods away, and return self.

        Args:
            first: a program to run before the stack's own.
        """
        program = self.folder / "__main__.py"
        program.rename(self.folder / "program.py")
        program.write_text(f"{_AWAIT_NO_MODEL}{first}{_RUN_PROGRAM}")
        return self

    @property
    def stack_file(self) -> Path:
        """The file that `pulumi config set` writes."""
        return self.folder / f"Pulumi.{STACK}.yaml"

    def environment(self) -> dict[str, str]:
        """The shell of `make env`, with another backend, passphrase and kubeconfig."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name == "PULUMI_HOME" or not name.startswith(_OWN_VARIABLES)
        }
        return inherited | {
            # No test asks the real Hub; one with a stand-in sets it back.
            "HF_HUB_OFFLINE": "1",
            "KUBECONFIG": str(self.kubeconfig),
            "PULUMI_BACKEND_URL": f"file://{self.backend}",
            "PULUMI_CONFIG_PASSPHRASE": "correct horse battery staple",
            "PULUMI_ERROR_OUTPUT_STRING": "true",
            "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            **self.variables,
        }

    def run(self, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run `pulumi` here, whatever its exit code; colours and prompts are off."""
        return self.execute("pulumi", "--non-interactive", "--color=never", *arguments, given=given)

    def succeed(self, *arguments: str, given: str | None = None) -> str:
        """Run `pulumi` here and return all it printed.

        Raises:
            AssertionError: the exit code is not 0.
        """
        done = self.run(*arguments, given=given)
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"pulumi {' '.join(arguments)}\n{said}"
        return said

    def execute(self, *command: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run any command here, in the same environment."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(),
            input=given or "",
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_SECONDS,
        )
        self.transcript.extend((done.stdout, done.stderr))
        return done

    def configure(self, **keys: object) -> None:
        """Set keys of the stack's config: a text as it is, anything else as JSON."""
        for key, value in keys.items():
            text = value if isinstance(value, str) else json.dumps(value)
            self.succeed("config", "set", key, text)

    def up(self) -> str:
        """Deploy; a first time makes the stack."""
        self.succeed("stack", "select", "--create", STACK)
        return self.succeed("up", "--yes", "--skip-preview")

    def expect_no_changes(self) -> str:
        """Preview, and return what it printed.

        Raises:
            AssertionError: something would change.
        """
        return self.succeed("preview", "--expect-no-changes", "--diff")


def consumer_project(folder: Path, kubeconfig: Path) -> PulumiProject:
    """A checkout of the example, with the repository's packages where it expects them."""
    checkout = folder / "consumer-checkout"
    shutil.copytree(
        ROOT / "examples", checkout / "examples", ignore=shutil.ignore_patterns("__pycache__")
    )
    (checkout / ".venv").symlink_to(sys.prefix)
    return PulumiProject(
        folder=checkout / "examples" / "consumer",
        backend=folder / "backend",
        kubeconfig=kubeconfig,
    )


def clear_spellings(secret: str) -> tuple[str, str]:
    """A secret as it would be found in clear: as it is, and as Kubernetes writes it."""
    return secret, base64.b64encode(secret.encode()).decode()


def files_that_hold(secret: str, *folders: Path) -> list[Path]:
    """Files below the folders that hold a secret in clear, links to elsewhere left out."""
    spellings = [spelling.encode() for spelling in clear_spellings(secret)]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return sorted(
        file for file in files if any(spelling in file.read_bytes() for spelling in spellings)
    )


def committed_stack_file(stack: str) -> str:
    """A stack file of the work tree without what its owner encrypted it with."""
    lines = (ROOT / f"Pulumi.{stack}.yaml").read_text().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("encryptionsalt"))


def labelled_objects(kubectl: Callable[..., str], instance: str = "vllm") -> list[str]:
    """Names of all objects of an app in a cluster, of whatever kind."""
    kinds = kubectl("api-resources", "--verbs=list", "--output=name").split()
    found = kubectl(
        "get",
        ",".join(sorted(set(kinds))),
        "--all-namespaces",
        f"--selector=app.kubernetes.io/instance={instance}",
        "--output=name",
        "--ignore-not-found",
    )
    return sorted(found.split())
