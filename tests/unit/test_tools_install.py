"""Where a program comes from, and what the user is told; with a stand-in for go, no network."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.tools_machine import GO, Machine, Mirror
from tools.artifacts import named

ACTIONLINT = f"actionlint v{named('actionlint').version}"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with Mirror().serving() as served:
        yield served


def test_a_failed_download_says_why_and_what_is_tried_next(machine: Machine) -> None:
    status, output, errors = machine.run("install", "actionlint")
    assert (status, output) == (0, "")
    first, second, last = errors.splitlines()
    assert first == f"{ACTIONLINT}: downloading the release"
    assert second == (
        f"{ACTIONLINT}: the release download failed (127.0.0.1:1 refused the connection); "
        "building from Go modules (about 20 s)"
    )
    assert last.startswith(f"built {ACTIONLINT} from Go modules in ")
    assert machine.installed("actionlint").read_text().startswith("built ")


def test_a_build_goes_on_where_a_registry_failed_it(machine: Machine) -> None:
    status, _, errors = machine.run(
        "install", "actionlint", TOOLS_SOURCES="go", FAKE_GO="stalls once"
    )
    assert status == 0
    assert "connection reset by peer; trying again in 2 s" in errors
    assert machine.builds() == ["actionlint", "actionlint"]
    assert machine.installed("actionlint").read_text().startswith("built ")


def test_a_verified_release_is_taken_before_go_is_asked(machine: Machine, mirror: Mirror) -> None:
    mirror.publish(named("actionlint"), ["actionlint"])
    status, _, errors = machine.run("install", "actionlint", TOOLS_RELEASE_MIRROR=mirror.url)
    assert status == 0
    assert f"downloaded {ACTIONLINT} in " in errors
    assert machine.installed("actionlint").read_text() == "actionlint"
    assert machine.builds() == []


def test_a_release_with_a_wrong_checksum_is_built_instead(machine: Machine, mirror: Mirror) -> None:
    mirror.publish(named("actionlint"), ["actionlint"])
    mirror.state_wrongly(named("actionlint"))
    status, _, errors = machine.run("install", "actionlint", TOOLS_RELEASE_MIRROR=mirror.url)
    assert status == 0
    assert f"its publisher states {'f' * 64}); building from Go modules" in errors
    assert machine.installed("actionlint").read_text().startswith("built ")


def test_a_suitable_program_on_path_is_taken_before_anything_else(
    machine: Machine, mirror: Mirror
) -> None:
    mirror.publish(named("actionlint"), ["actionlint"])
    file = machine.put("actionlint", f"#!/bin/sh\necho {named('actionlint').version}\n")
    status, _, errors = machine.run("install", "actionlint", TOOLS_RELEASE_MIRROR=mirror.url)
    assert (status, errors) == (0, f"{ACTIONLINT}: using {file}\n")
    assert machine.installed("actionlint").resolve() == file


def test_a_program_on_path_that_was_upgraded_since_is_looked_at_again(machine: Machine) -> None:
    file = machine.put("actionlint", f"#!/bin/sh\necho {named('actionlint').version}\n")
    machine.run("install", "actionlint")
    file.write_text("#!/bin/sh\necho 99.0.0\n")
    assert "`python3 -m tools install actionlint`" in machine.locate("program('actionlint')")
    status, _, errors = machine.run("install", "actionlint")
    assert (status, f"{file} is version 99.0.0, not" in errors) == (0, True)
    assert not machine.installed("actionlint").is_symlink()


def without_go(machine: Machine) -> None:
    (machine.path / "go").unlink()


def with_an_old_go(machine: Machine) -> None:
    machine.put("go", GO.replace("go1.99.0", "go1.20.14"))


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [(without_go, "go is not on PATH"), (with_an_old_go, "go 1.20.14 is too old")],
)
def test_a_missing_or_old_go_is_one_sentence_with_the_remedy(
    machine: Machine, spoil: Callable[[Machine], None], fault: str
) -> None:
    spoil(machine)
    status, _, errors = machine.run("install", "actionlint", TOOLS_SOURCES="go")
    assert status == 1
    assert errors.splitlines()[-1] == (
        f"{ACTIONLINT} cannot be installed: {fault}; install Go 1.26.0 or newer from "
        "https://go.dev/dl/ and run the command again"
    )


def test_a_build_leaves_out_what_its_tags_say(machine: Machine) -> None:
    assert machine.run("install", "tests")[0] == 0
    tagged = [
        line.split()[1] for line in machine.calls.read_text().splitlines() if " -tags " in line
    ]
    assert tagged == ["prometheus"]
    assert "remove_all_sd,enable_kubernetes_sd" in machine.calls.read_text()


def test_sources_can_be_restricted(machine: Machine) -> None:
    status, _, errors = machine.run("install", "actionlint", TOOLS_SOURCES="path,release")
    assert status == 1
    assert "building" not in errors
    assert machine.builds() == []


def test_what_no_allowed_source_has_says_which_one_would(machine: Machine) -> None:
    status, _, errors = machine.run("install", "full", TOOLS_SOURCES="path,release")
    keda = f"keda v{named('keda').version}"
    assert status == 1
    assert (
        f"{keda} cannot be installed: it is not to be had from path, release; "
        "allow go in TOOLS_SOURCES"
    ) in errors.splitlines()


def test_an_unknown_source_is_refused_before_anything_is_done(machine: Machine) -> None:
    status, _, errors = machine.run("install", "actionlint", TOOLS_SOURCES="path,brew")
    assert (status, errors) == (
        2,
        "TOOLS_SOURCES: 'brew' is not a source; "
        "set it to one or more of path, release, go, pip, separated by commas\n",
    )
    assert not machine.cache.exists()


def test_an_unknown_group_is_refused(machine: Machine) -> None:
    status, _, errors = machine.run("install", "cores")
    assert status == 2
    assert errors == (
        "cores: there is no such group; the groups are engine, core, full, tests, actionlint, "
        "policies\n"
    )
