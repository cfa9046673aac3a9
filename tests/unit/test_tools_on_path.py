"""A program on PATH is used when, and only when, it is suitable."""

from pathlib import Path

import pytest

from tools import on_path
from tools.artifacts import named
from tools.session import Session, Settings, Unavailable

PINNED = named("pulumi").version
MINOR = int(PINNED.split(".")[1])
KWOK = named("kwok").version


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return directory


def script(file: Path, output: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\necho '{output}'\n")
    file.chmod(0o755)
    return file


def pulumi(directory: Path, version: str) -> Path:
    for name in ("pulumi-language-python", "pulumi-language-python-exec"):
        script(directory / name, "")
    return script(directory / "pulumi", version)


def obtain(name: str, destination: Path) -> tuple[Path, ...]:
    return on_path.obtain(named(name), destination, Session(Settings()))


@pytest.mark.parametrize("version", [f"v{PINNED}", f"v3.{MINOR}.99", f"v3.{MINOR + 1}.0"])
def test_the_pinned_or_a_later_pulumi_of_the_same_major_is_suitable(
    path: Path, tmp_path: Path, version: str
) -> None:
    file = pulumi(path, version)
    assert file in obtain("pulumi", tmp_path / "entry")
    assert (tmp_path / "entry" / "bin" / "pulumi").resolve() == file
    assert (tmp_path / "entry" / "bin" / "pulumi-language-python-exec").exists()


@pytest.mark.parametrize("version", [f"v3.{MINOR - 1}.9", "v3.99.0", f"v2.{MINOR + 1}.0", "v4.0.0"])
def test_an_older_pulumi_or_another_major_is_not(path: Path, tmp_path: Path, version: str) -> None:
    file = pulumi(path, version)
    with pytest.raises(Unavailable) as refused:
        obtain("pulumi", tmp_path / "entry")
    assert str(refused.value) == (f"{file} is version {version[1:]}, not {PINNED} or a later 3.x")


def test_a_pulumi_without_its_language_host_is_not_suitable(path: Path, tmp_path: Path) -> None:
    pulumi(path, f"v{PINNED}")
    (path / "pulumi-language-python").unlink()
    with pytest.raises(Unavailable, match="has no pulumi-language-python beside it"):
        obtain("pulumi", tmp_path / "entry")


def test_the_language_host_is_looked_for_beside_the_real_file(path: Path, tmp_path: Path) -> None:
    real = pulumi(tmp_path / "opt", f"v{PINNED}")
    (path / "pulumi").symlink_to(real)
    obtain("pulumi", tmp_path / "entry")
    host = tmp_path / "entry" / "bin" / "pulumi-language-python"
    assert host.resolve() == tmp_path / "opt" / "pulumi-language-python"


@pytest.mark.parametrize(
    ("version", "suitable"), [("2.42.0+ds", True), ("3.99.1", True), ("2.39.2", False)]
)
def test_the_prometheus_of_a_distribution_will_do_from_2_40_on(
    path: Path, tmp_path: Path, version: str, suitable: bool
) -> None:
    file = script(path / "prometheus", f"prometheus, version {version} (branch: x, revision: y)")
    if suitable:
        assert obtain("prometheus", tmp_path / "entry") == (file,)
        return
    with pytest.raises(Unavailable, match=r"is version 2\.39\.2, not 2\.40\.0 or later"):
        obtain("prometheus", tmp_path / "entry")


@pytest.mark.parametrize("output", ["no version here", ""])
def test_a_program_that_prints_no_version_is_not_suitable(
    path: Path, tmp_path: Path, output: str
) -> None:
    script(path / "kwok", output)
    with pytest.raises(Unavailable, match="kwok --version prints no version"):
        obtain("kwok", tmp_path / "entry")


@pytest.mark.parametrize(("version", "suitable"), [(KWOK, True), (f"{KWOK}1", False)])
def test_cluster_programs_are_taken_in_the_exact_version_only(
    path: Path, tmp_path: Path, version: str, suitable: bool
) -> None:
    script(path / "kwok", f"kwok version v{version} go1.26.8 (linux/amd64)")
    if suitable:
        assert obtain("kwok", tmp_path / "entry") == (path / "kwok",)
        return
    with pytest.raises(Unavailable, match=f"is version {KWOK}1, not {KWOK}"):
        obtain("kwok", tmp_path / "entry")


def test_a_part_of_the_control_plane_is_not_enough(path: Path, tmp_path: Path) -> None:
    version = named("control-plane").version
    script(path / "kubectl", f"Client Version: v{version}")
    with pytest.raises(Unavailable):
        obtain("control-plane", tmp_path / "entry")


def test_links_of_the_cache_itself_do_not_count_as_installed(path: Path, tmp_path: Path) -> None:
    entry = tmp_path / "cache" / "mistral-vllm" / "entries" / "old" / "bin"
    script(entry / "kwok", f"kwok version v{KWOK}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{entry}:{path}")
        with pytest.raises(Unavailable) as absent:
            obtain("kwok", tmp_path / "entry")
    assert str(absent.value) == ""


@pytest.mark.parametrize("name", ["keda", "http-add-on", "kubernetes-provider"])
def test_what_cannot_say_its_version_is_never_taken_from_path(name: str) -> None:
    assert not on_path.applies(named(name))
