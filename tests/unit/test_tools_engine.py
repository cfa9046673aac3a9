"""The engine is put together so that Pulumi finds its plugin, and other code finds the engine."""

import stat
from pathlib import Path

import pytest

from tests.unit.tools_machine import PULUMI, Machine
from tools.artifacts import named
from tools.pins import TOOLS


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def engine(machine: Machine) -> None:
    machine.put("pulumi", PULUMI)
    for name in ("pulumi-language-python", "pulumi-language-python-exec"):
        machine.put(name, "#!/bin/sh\n")
    schemas = machine.home / "module" / "cmd" / "pulumi-resource-kubernetes"
    schemas.mkdir(parents=True)
    for name in ("schema.json", "terraform-mapping.json"):
        (schemas / name).write_text("{}")
        (schemas / name).chmod(stat.S_IRUSR)  # as the module cache has it


def test_the_provider_is_built_with_its_schemas_and_installed_as_a_plugin(
    machine: Machine,
) -> None:
    engine(machine)
    before = sorted((TOOLS / "kubernetes-provider").iterdir())
    status, _, errors = machine.run("install", "engine")
    assert (status, errors.splitlines()[-1].startswith("made pulumi-home v")) == (0, True)
    provider = machine.installed("pulumi-resource-kubernetes")
    assert provider.read_text() == "built go.mod go.sum main.go schema.json terraform-mapping.json"
    (plugin,) = machine.cache.glob("entries/pulumi-home-*/plugins/*/pulumi-resource-kubernetes")
    assert plugin.parent.name == f"resource-kubernetes-v{named('kubernetes-provider').version}"
    assert plugin.samefile(provider)
    assert sorted((TOOLS / "kubernetes-provider").iterdir()) == before


def test_path_gets_the_engine_but_not_the_provider(machine: Machine) -> None:
    engine(machine)
    machine.run("install", "engine")
    binaries = machine.installed("pulumi").parent
    assert machine.locate("*path_entries(['engine'])") == str(binaries)
    assert machine.locate("program('pulumi-language-python')") == str(
        binaries / "pulumi-language-python"
    )
    (home,) = machine.cache.glob("entries/pulumi-home-*")
    assert machine.locate("pulumi_home()") == str(home)


def test_a_failure_keeps_what_was_finished_and_leaves_out_what_needs_it(machine: Machine) -> None:
    engine(machine)
    status, _, errors = machine.run("install", "engine", FAKE_GO="fail")
    assert status == 1
    assert errors.count("go build of") == 1
    assert "pulumi-home" not in errors
    assert [entry.split("-")[0] for entry in machine.entries()] == ["pulumi"]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("program('kubectl')", "kubectl: not installed; run `python3 -m tools install core`"),
        ("manifests()", "manifests: not installed; run `python3 -m tools install core`"),
        ("pulumi_home()", "pulumi-home: not installed; run `python3 -m tools install engine`"),
        ("path_entries(['full'])", "keda: not installed; run `python3 -m tools install full`"),
        ("program('helm')", "helm: no group has a program of that name"),
    ],
)
def test_what_is_missing_names_the_command_that_installs_it(
    machine: Machine, expression: str, message: str
) -> None:
    assert machine.locate(expression) == message
