"""One version per program, and one cache entry per set of pins."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tools import cache
from tools.artifacts import all_artifacts, in_groups, named
from tools.pins import TOOLS, module_version, released_version
from tools.programs_for_tests import prometheus_release
from tools.records import Artifact, Platform, PythonArtifact

REPOSITORY = TOOLS.parent
LINUX = Platform(os="linux", arch="amd64")


def required_from_pypi(package: str) -> str:
    text = (REPOSITORY / "requirements.txt").read_text(encoding="utf-8")
    found = re.search(rf"^{package}==(\S+)$", text, re.M)
    assert found is not None
    return found[1]


def test_the_engine_is_of_the_version_that_requirements_txt_pins() -> None:
    assert named("pulumi").version == required_from_pypi("pulumi")
    assert named("kubernetes-provider").version == required_from_pypi("pulumi-kubernetes")


def test_the_script_of_the_language_host_comes_from_the_sdk_of_the_same_version() -> None:
    sdk = released_version("pulumi", "github.com/pulumi/pulumi/sdk/v3")
    assert sdk == required_from_pypi("pulumi")


@pytest.mark.parametrize(("module", "release"), [("0.300.0", "3.0.0"), ("0.313.2", "3.13.2")])
def test_prometheus_is_released_under_another_number_than_its_module(
    module: str, release: str
) -> None:
    assert prometheus_release(module) == release


def test_the_definitions_of_the_gateway_api_are_those_that_traefik_implements() -> None:
    gateway_api = "sigs.k8s.io/gateway-api"
    applied, implemented = (released_version(m, gateway_api) for m in ("crds", "traefik"))
    assert applied.rpartition(".")[0] == implemented.rpartition(".")[0]


def test_a_pseudo_version_is_downloaded_as_such_and_named_by_its_tag() -> None:
    provider = "github.com/pulumi/pulumi-kubernetes/provider/v4"
    assert re.match(r"v4\.0\.0-\d{14}-", module_version("kubernetes-provider", provider))
    assert re.fullmatch(r"4\.\d+\.\d+", released_version("kubernetes-provider", provider))


def test_a_module_that_is_not_required_is_named_in_the_error() -> None:
    with pytest.raises(KeyError, match=r"tools/pulumi/go.mod does not require example.com/x"):
        module_version("pulumi", "example.com/x")


def test_an_unknown_group_is_refused_with_the_groups_there_are() -> None:
    with pytest.raises(ValueError, match=r"engines: .*engine, core, full, tests, actionlint"):
        in_groups(("engines",))


@pytest.mark.parametrize("os", ["linux", "darwin"])
@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_every_program_can_be_built_on_every_platform(os: str, arch: str) -> None:
    for artifact in all_artifacts(Platform(os=os, arch=arch)):
        built = {b.program for b in artifact.builds} | {x for b in artifact.builds for x in b.links}
        built |= {Path(script.file).name for script in artifact.scripts}
        if isinstance(artifact, PythonArtifact):
            built |= {program.name for program in artifact.programs}
        assert {n for p in artifact.programs for n in (p.name, *p.beside)} <= built


def test_releases_are_of_the_platform_asked_for() -> None:
    for release in (
        r for a in all_artifacts(Platform(os="linux", arch="arm64")) for r in a.releases
    ):
        assert re.search("arm64", release.url)
        assert not re.search("amd64|x64|darwin", release.url)


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "tools"
    shutil.copytree(TOOLS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(cache, "TOOLS", copy)
    return copy


@pytest.mark.parametrize("file", ["cluster/go.mod", "cluster/go.sum", "cluster/kubecp/main.go"])
def test_a_changed_pin_or_source_gives_a_new_entry(modules: Path, file: str) -> None:
    before = {a.name: cache.key(a, LINUX) for a in all_artifacts()}
    with (modules / file).open("a") as changed:
        changed.write("// changed\n")
    after = {a.name: cache.key(a, LINUX) for a in all_artifacts()}
    changed_names = {name for name in before if before[name] != after[name]}
    assert changed_names == {"control-plane", "kwok", "manifests", "keda", "http-add-on"}


def test_a_changed_pin_of_a_python_package_gives_it_alone_a_new_entry(modules: Path) -> None:
    before = {a.name: cache.key(a, LINUX) for a in all_artifacts()}
    with (modules / "checkov" / "requirements.txt").open("a") as changed:
        changed.write("# changed\n")
    after = {a.name: cache.key(a, LINUX) for a in all_artifacts()}
    assert {name for name in before if before[name] != after[name]} == {"checkov"}


def test_what_is_assembled_is_renewed_with_what_it_is_assembled_from(modules: Path) -> None:
    before = cache.key(named("pulumi-home"), LINUX)
    with (modules / "kubernetes-provider" / "main.go").open("a") as changed:
        changed.write("// changed\n")
    assert cache.key(named("pulumi-home"), LINUX) != before


def test_the_key_depends_on_version_flags_and_platform_but_not_on_estimates() -> None:
    artifact = named("traefik")
    original = cache.key(artifact, LINUX)

    def with_build(**change: object) -> Artifact:
        return replace(artifact, builds=(replace(artifact.builds[0], **change),))

    assert cache.key(replace(artifact, version="9.9.9"), LINUX) != original
    assert cache.key(with_build(variables=()), LINUX) != original
    assert cache.key(artifact, Platform(os="darwin", arch="amd64")) != original
    assert cache.key(with_build(seconds=1), LINUX) == original


def test_the_cache_is_where_the_base_directory_specification_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    assert cache.root() == tmp_path / "elsewhere" / "mistral-vllm"
    for ignored in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert cache.root() == tmp_path / ".cache" / "mistral-vllm"
