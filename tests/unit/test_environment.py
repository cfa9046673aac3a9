"""The environment of a clone, and its passphrase."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tools import environment
from tools.locate import MissingTool


def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that the engine is installed and the sandbox's programs are not."""

    def missing(name: str) -> Path:
        raise MissingTool(name)

    def entries(groups: list[str]) -> list[Path]:
        return [Path(f"/{group}/bin") for group in groups]

    monkeypatch.setattr(environment, "path_entries", entries)
    monkeypatch.setattr(environment, "pulumi_home", lambda: Path("/engine/home"))
    monkeypatch.setattr(environment, "program", missing)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("SANDBOX_STATE", raising=False)
    monkeypatch.setenv("HOME", "/nonexistent")


def test_the_engine_alone_gives_a_working_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    monkeypatch.setenv("PATH", "/usr/bin")
    values = environment.variables(Path("/clone"), Path("/clone/.state"))
    assert values["PATH"] == "/clone/.venv/bin:/engine/bin:/usr/bin"
    assert values["PULUMI_HOME"] == "/engine/home"
    assert values["KUBECONFIG"] == "/clone/.state/sandbox/kubeconfig"


SANDBOX = "/clone/.state/sandbox/kubeconfig"


def kubeconfigs() -> str:
    return environment.cluster_variables(Path("/clone/.state"))["KUBECONFIG"]


@pytest.mark.parametrize("given", ["/a", "/a:/b", f"{SANDBOX}:/a", f"/a::/b:/a:{SANDBOX}"])
def test_the_sandbox_comes_first_and_then_the_user_s_files_each_once_however_often_entered(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    stand_in(monkeypatch)
    monkeypatch.setenv("KUBECONFIG", given)
    first = kubeconfigs()
    files = first.split(":")
    assert files[0] == SANDBOX
    assert sorted(files) == sorted({SANDBOX, *filter(None, given.split(":"))})
    monkeypatch.setenv("KUBECONFIG", first)
    assert kubeconfigs() == first


def test_a_user_without_the_variable_has_the_file_that_kubectl_reads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(monkeypatch)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert kubeconfigs() == SANDBOX
    file = tmp_path / ".kube" / "config"
    file.parent.mkdir()
    file.touch()
    # As after the first entry, when there was no such file.
    for before in ("", SANDBOX, f"{SANDBOX}:{file}"):
        monkeypatch.setenv("KUBECONFIG", before)
        assert kubeconfigs() == f"{SANDBOX}:{file}"


def test_a_cluster_is_read_without_the_engine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    stand_in(monkeypatch)
    monkeypatch.setattr(environment, "ROOT", tmp_path)

    def missing(_: list[str]) -> list[Path]:
        raise MissingTool("pulumi: not installed")

    monkeypatch.setattr(environment, "path_entries", missing)
    assert environment.main([]) == 1
    assert capsys.readouterr().out == ""
    assert environment.main(["--cluster"]) == 0
    assert capsys.readouterr().out == f"export KUBECONFIG={tmp_path}/.state/sandbox/kubeconfig\n"


def test_the_passphrase_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    environment.prepare(tmp_path)
    file = tmp_path / "passphrase"
    first = file.read_text()
    environment.prepare(tmp_path)
    assert file.read_text() == first
    assert len(first) == 64
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_two_clones_have_two_passphrases(tmp_path: Path) -> None:
    for clone in ("a", "b"):
        environment.prepare(tmp_path / clone)
    assert (tmp_path / "a/passphrase").read_text() != (tmp_path / "b/passphrase").read_text()


def test_lines_survive_a_path_with_blanks_and_quotes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    stand_in(monkeypatch)
    root = tmp_path / "it's a clone"
    root.mkdir()
    monkeypatch.setattr(environment, "ROOT", root)
    assert environment.main([]) == 0
    lines = capsys.readouterr().out
    shell = f'{lines}\nprintf %s "$VIRTUAL_ENV"'
    printed = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True)
    assert printed.stdout == str(root / ".venv")


def test_an_old_python_is_refused_with_the_remedy() -> None:
    script = (
        "import sys; sys.version_info = (3, 10, 1); import tools.virtual_environment as v;"
        "sys.exit(v.main('requirements.txt', '/nowhere/.runtime'))"
    )
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=root, check=False
    )
    assert run.returncode == 1
    assert "3.10.1 is too old; this project needs 3.11 or newer" in run.stderr
