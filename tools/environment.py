"""Prints the environment of this clone for a shell: eval "$(make -s env)"."""

import argparse
import contextlib
import os
import secrets
import shlex
import sys
from pathlib import Path

from tools.locate import MissingTool, path_entries, program, pulumi_home

ROOT = Path(__file__).resolve().parent.parent


def variables(root: Path, state: Path) -> dict[str, str]:
    """Give what plain `pulumi` and `kubectl` need to work on this clone's stack and sandbox.

    Args:
        root: the clone.
        state: where its stacks, passphrase and sandbox live.

    Raises:
        MissingTool: the engine is not installed.
    """
    binaries = [root / ".venv" / "bin", *path_entries(["engine"])]
    # A user with a cluster of their own needs the engine alone.
    with contextlib.suppress(MissingTool):
        binaries.append(program("kubectl").parent)
    return {
        **cluster_variables(state),
        "PATH": os.pathsep.join([*map(str, binaries), os.environ.get("PATH", "")]),
        "PULUMI_BACKEND_URL": f"file://{state / 'backend'}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(state / "passphrase"),
        # An Output in an f-string is a bug that would otherwise deploy its own warning text.
        "PULUMI_ERROR_OUTPUT_STRING": "true",
        # The stack file needs no encryption salt of its own: the state holds it.
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        "PULUMI_HOME": str(pulumi_home()),
        # Plugins come from PULUMI_HOME, without a warning for each that PATH holds.
        "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "VIRTUAL_ENV": str(root / ".venv"),
    }


def cluster_variables(state: Path) -> dict[str, str]:
    """Give what reads a cluster alone: the kubeconfigs of the sandbox and then of the user.

    The first that has a current context decides on it (Kubernetes, clientcmd, loader.go). The
    variable that a shell of this clone has already gives the same again.
    """
    sandbox = str(Path(os.environ.get("SANDBOX_STATE") or state / "sandbox") / "kubeconfig")
    given = os.environ.get("KUBECONFIG", "").split(os.pathsep)
    own = [file for file in dict.fromkeys(given) if file not in ("", sandbox)]
    default = Path.home() / ".kube" / "config"
    if not own and default.is_file():
        own = [str(default)]
    return {"KUBECONFIG": os.pathsep.join([sandbox, *own])}


def prepare(state: Path) -> None:
    """Make the folder of the file backend, and a passphrase for the secrets in it, once."""
    (state / "backend").mkdir(parents=True, exist_ok=True)
    passphrase = state / "passphrase"
    if not passphrase.exists():
        fresh = state / f"passphrase.{os.getpid()}"
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_hex(32))
        fresh.rename(passphrase)


def main(arguments: list[str] | None = None) -> int:
    """Print export lines; exit code 1 where something is not installed."""
    parser = argparse.ArgumentParser(prog="python -m tools.environment", description=__doc__)
    parser.add_argument("--cluster", action="store_true", help="only what reads a cluster")
    state = ROOT / ".state"
    if parser.parse_args(arguments).cluster:
        return _print(cluster_variables(state))
    try:
        values = variables(ROOT, state)
    except MissingTool as error:
        print(f"env: {error}", file=sys.stderr)
        return 1
    prepare(state)
    return _print(values)


def _print(values: dict[str, str]) -> int:
    for name, value in sorted(values.items()):
        print(f"export {name}={shlex.quote(value)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
