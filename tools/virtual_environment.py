"""Makes the clone's virtual environment and installs a requirements file into it."""

import subprocess
import sys
import time
import venv
from pathlib import Path

OLDEST = (3, 11)


def main(requirements: str, stamp: str) -> int:
    """Install `requirements` and touch `stamp`, two levels below which the environment lies."""
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:3]))
        print(
            f"python: {found} is too old; this project needs 3.11 or newer; "
            "name another with PYTHON=python3.12",
            file=sys.stderr,
        )
        return 1
    began = time.monotonic()
    directory = Path(stamp).parent
    python = directory / "bin" / "python"
    if not python.exists():
        venv.create(directory, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if not _installs([*pip, "--requirement", requirements]):
        print(f"pip could not install {requirements}; its reason is above", file=sys.stderr)
        return 1
    Path(stamp).touch()
    seconds = time.monotonic() - began
    print(f"installed {requirements} into {directory} in {seconds:.0f} s", file=sys.stderr)
    return 0


def _installs(pip: list[str]) -> bool:
    """Tell whether pip succeeds, if need be the second time: a download may break off."""
    return any(subprocess.run(pip, check=False).returncode == 0 for _ in range(2))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
