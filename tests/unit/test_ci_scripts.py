"""What `.ci/run` and `.ci/checks` promise, run with stand-ins for the programs that they call."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = ("bash", "cat", "dirname", "env", "id", "mktemp", "rm")


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory for the whole of PATH: the shell's own programs, and stand-ins that succeed."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in SYSTEM:
        found = shutil.which(name)
        assert found is not None
        (directory / name).symlink_to(found)
    for name in (
        "ruff",
        "pyright",
        "actionlint",
        "git",
        "openssl",
        "unshare",
        "nsenter",
        "python3",
    ):
        stand_in(directory, name, "echo noise")
    stand_in(directory, "python", f"echo {directory}/actionlint")
    stand_in(directory, "python3", ":")
    stand_in(directory, "make", 'echo "make $* CI=$CI"; ! read -r')
    return directory


def stand_in(directory: Path, name: str, script: str) -> None:
    path = directory / name
    path.write_text(f"#!{shutil.which('bash')}\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def run(script: str, programs: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / ".ci" / script)],
        env={"PATH": str(programs)},
        input="a line that nobody asked for\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_checks_that_pass_print_one_line_each_with_their_seconds(programs: Path) -> None:
    done = run("checks", programs)
    assert done.returncode == 0
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[-4:][0] for line in lines] == ["format", "check", "pyright", "actionlint"]
    assert [line[-2:] for line in lines] == [["s", "ok"]] * 4
    assert done.stderr == ""


@pytest.mark.parametrize("failing", ["ruff", "pyright", "actionlint", "python"])
def test_a_check_that_fails_shows_why_and_stops_no_other(programs: Path, failing: str) -> None:
    stand_in(programs, failing, "echo the reason >&2; exit 1")
    done = run("checks", programs)
    assert done.returncode == 1
    assert "the reason" in done.stdout
    assert done.stdout.count(" ok\n") + done.stdout.count(" failed\n") == 4
    assert "noise" not in done.stdout


def test_ci_runs_the_readmes_test_command_without_a_terminal(programs: Path) -> None:
    done = run("run", programs)
    assert (done.returncode, done.stdout) == (0, "make test CI=true\n")


def test_a_failed_test_fails_ci(programs: Path) -> None:
    stand_in(programs, "make", "exit 2")
    assert run("run", programs).returncode == 2


def test_missing_system_packages_are_named_together(programs: Path) -> None:
    (programs / "openssl").unlink()
    (programs / "unshare").unlink()
    stand_in(programs, "id", "echo 1000")
    done = run("run", programs)
    assert done.returncode == 1
    assert "missing system packages (Debian names): openssl util-linux;" in done.stderr
    assert done.stdout == ""


def test_root_on_debian_installs_what_is_missing(programs: Path) -> None:
    (programs / "openssl").unlink()
    stand_in(programs, "id", "echo 0")
    stand_in(programs, "apt-get", 'echo "apt-get $*"')
    done = run("run", programs)
    assert done.returncode == 0
    assert "apt-get install" in done.stdout
    assert "openssl" in done.stdout
    assert done.stdout.splitlines()[-1] == "make test CI=true"
