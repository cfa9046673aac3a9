"""A Python program comes whole, with pins of its own, and runs wherever it is called from."""

import subprocess
import zipfile
from pathlib import Path

import pytest

from tools import python_packages
from tools.records import Program, PythonArtifact
from tools.session import InstallError, Session, Settings

ARTIFACT = PythonArtifact(
    name="greeter",
    group="policies",
    version="1.0",
    programs=(Program(name="greet", version="1.0"),),
    directory="greeter",
    main="greeter",
)


@pytest.fixture
def session() -> Session:
    return Session(Settings())


@pytest.fixture
def pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The requirements of a package that is in no index."""
    monkeypatch.setattr(python_packages, "TOOLS", tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (tmp_path / "greeter").mkdir()
    return tmp_path / "greeter" / "requirements.txt"


def wheel(folder: Path) -> Path:
    file = folder / "greeter-1.0-py3-none-any.whl"
    about = "greeter-1.0.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("greeter.py", "import sys\nprint('hello', *sys.argv[1:])\n")
        archive.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: greeter\nVersion: 1.0\n"
        )
        tag = "Root-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{about}/WHEEL", f"Wheel-Version: 1.0\nGenerator: test\n{tag}")
        archive.writestr(f"{about}/RECORD", "")
    return file


def test_a_program_runs_after_its_environment_has_moved_and_beside_modules_of_its_own_name(
    tmp_path: Path, pins: Path, session: Session
) -> None:
    pins.write_text(f"greeter @ {wheel(tmp_path).as_uri()}\n")
    borrowed = python_packages.obtain(ARTIFACT, tmp_path / "work" / "entry", session)
    (tmp_path / "work" / "entry").rename(tmp_path / "moved")
    (tmp_path / "greeter.py").write_text("print('somebody else')")
    said = subprocess.run(
        [tmp_path / "moved" / "bin" / "greet", "two words"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said == "hello two words\n"
    assert borrowed == ((tmp_path / "moved" / "bin" / "python").resolve(),)


def test_a_failure_shows_what_pip_said(tmp_path: Path, pins: Path, session: Session) -> None:
    pins.write_text("greeter==99.9\n")
    with pytest.raises(InstallError, match=r"No matching distribution found for greeter==99\.9"):
        python_packages.obtain(ARTIFACT, tmp_path / "work" / "entry", session)
