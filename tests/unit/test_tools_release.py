"""A released file is used when, and only when, it is what its publisher states."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.unit.tools_machine import Mirror
from tools import release
from tools.artifacts import all_artifacts
from tools.records import Artifact, Platform
from tools.session import Session, Settings, Unavailable

DARWIN = Platform(os="darwin", arch="arm64")
LINUX = Platform(os="linux", arch="amd64")


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with Mirror().serving() as served:
        yield served


def artifact(name: str, target: Platform = LINUX) -> Artifact:
    return next(a for a in all_artifacts(target) if a.name == name)


def obtain(what: Artifact, destination: Path, mirror: str) -> Path:
    release.obtain(what, destination, Session(Settings(mirror=mirror)))
    return destination / "bin"


PULUMI = [
    "pulumi/pulumi",
    "pulumi/pulumi-language-python",
    "pulumi/pulumi-language-python-exec",
    "pulumi/pulumi-analyzer-policy-python",
    "pulumi/pulumi-language-nodejs",
]


@pytest.mark.parametrize("target", [LINUX, DARWIN])
def test_the_engine_is_unpacked_with_the_python_language_host_only(
    mirror: Mirror, tmp_path: Path, target: Platform
) -> None:
    pulumi = artifact("pulumi", target)
    mirror.publish(pulumi, PULUMI)
    binaries = obtain(pulumi, tmp_path / "entry", mirror.url)
    assert {file.name for file in binaries.iterdir()} == {m.split("/")[1] for m in PULUMI[:4]}
    assert (binaries / "pulumi").read_text() == "pulumi/pulumi"
    assert all(file.stat().st_mode & 0o777 == 0o755 for file in binaries.iterdir())


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("kubernetes-provider", ["pulumi-resource-kubernetes"]),
        ("control-plane", ["etcd-v3/etcd", "etcd-v3/etcdctl"]),
        ("kwok", []),
        ("traefik", ["traefik", "LICENSE.md"]),
        ("actionlint", ["actionlint", "docs/README.md"]),
    ],
)
def test_a_verified_release_gives_exactly_the_programs(
    mirror: Mirror, tmp_path: Path, name: str, members: list[str]
) -> None:
    mirror.publish(artifact(name), members)
    binaries = obtain(artifact(name), tmp_path / "entry", mirror.url)
    wanted = {program.name for program in artifact(name).programs}
    assert {file.name for file in binaries.iterdir()} == wanted


def wrong_checksum(mirror: Mirror, what: Artifact) -> str:
    item = what.releases[0]
    mirror.state(item.checksums, item.url.rsplit("/", 1)[1], "f" * 64)
    return rf"has SHA-256 [0-9a-f]{{64}}, its publisher states {'f' * 64}"


def no_checksum(mirror: Mirror, what: Artifact) -> str:
    item = what.releases[0]
    mirror.state(item.checksums, "another-file.tar.gz", "f" * 64)
    return "states no SHA-256 of"


def no_file(mirror: Mirror, what: Artifact) -> str:
    del mirror.content[urlsplit(what.releases[0].url).path]
    return r"answered HTTP 404"


def no_archive(mirror: Mirror, what: Artifact) -> str:
    item = what.releases[0]
    body = b"<html>sign in</html>"
    mirror.content[urlsplit(item.url).path] = body
    mirror.state(item.checksums, item.url.rsplit("/", 1)[1], hashlib.sha256(body).hexdigest())
    return "cannot be unpacked"


def cut_short(mirror: Mirror, what: Artifact) -> str:
    mirror.cut_short = urlsplit(what.releases[0].checksums).path
    return "broke off"


@pytest.mark.parametrize("spoil", [wrong_checksum, no_checksum, no_file, no_archive, cut_short])
@pytest.mark.parametrize("name", ["traefik", "kubernetes-provider"])
def test_a_file_that_is_not_what_is_stated_is_refused_with_the_reason(
    mirror: Mirror, tmp_path: Path, name: str, spoil: Callable[[Mirror, Artifact], str]
) -> None:
    what = artifact(name)
    mirror.publish(what, [program.name for program in what.programs])
    reason = spoil(mirror, what)
    with pytest.raises(Unavailable, match=f"the release download failed .*{reason}"):
        obtain(what, tmp_path / "entry", mirror.url)


def test_a_release_without_the_program_is_refused(mirror: Mirror, tmp_path: Path) -> None:
    mirror.publish(artifact("pulumi"), PULUMI[:1])
    with pytest.raises(Unavailable, match="the release holds no pulumi-language-python"):
        obtain(artifact("pulumi"), tmp_path / "entry", mirror.url)


def test_a_host_that_cannot_be_reached_is_asked_once(tmp_path: Path) -> None:
    session = Session(Settings(mirror="http://127.0.0.1:1"))
    with pytest.raises(Unavailable, match=r"\(127.0.0.1:1 refused the connection\)"):
        release.obtain(artifact("kwok"), tmp_path / "first", session)
    session.unreachable["127.0.0.1:1"] = "as remembered"
    with pytest.raises(Unavailable, match=r"\(as remembered\)"):
        release.obtain(artifact("traefik"), tmp_path / "second", session)


def test_nothing_in_an_archive_can_be_written_elsewhere(mirror: Mirror, tmp_path: Path) -> None:
    mirror.publish(artifact("traefik"), ["../../../traefik", "traefik"])
    binaries = obtain(artifact("traefik"), tmp_path / "a" / "b" / "entry", mirror.url)
    assert list(tmp_path.rglob("traefik")) == [binaries / "traefik"]


def test_servers_of_kubernetes_are_not_sought_among_the_releases_for_macos() -> None:
    assert not release.applies(artifact("control-plane", DARWIN))
    assert release.applies(artifact("kwok", DARWIN))
