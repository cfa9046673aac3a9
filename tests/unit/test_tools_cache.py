"""The cache: what is built is built once, and is there whole or not at all."""

import os
import signal
from pathlib import Path

import pytest

from tests.unit.tools_machine import Machine
from tools.artifacts import named
from tools.pins import TOOLS

ACTIONLINT = f"actionlint v{named('actionlint').version}"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def seconds_of_children() -> float:
    """Processor time of the processes that have ended, whatever else the machine does."""
    used = os.times()
    return used.children_user + used.children_system


def test_a_second_run_does_nothing_and_prints_nothing(machine: Machine) -> None:
    machine.run("install", "actionlint")
    seconds: list[float] = []
    for _ in range(3):
        started = seconds_of_children()
        assert machine.run("install", "actionlint", PATH="") == (0, "", "")
        seconds.append(seconds_of_children() - started)
    assert machine.builds() == ["actionlint"]
    # The contract is 0.2 s; the slack is for a slow machine.
    assert min(seconds) < 0.6


def test_an_entry_serves_every_clone_with_the_same_pins(machine: Machine, tmp_path: Path) -> None:
    machine.run("install", "actionlint")
    clone = tmp_path / "clone"
    clone.mkdir()
    patterns = ("*.py", "*/go.*", "*/*.go", "*/requirements.txt")
    for file in (file for pattern in patterns for file in TOOLS.glob(pattern)):
        target = clone / "tools" / file.relative_to(TOOLS)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    machine.clone = clone
    assert machine.run("install", "actionlint", PATH="") == (0, "", "")
    assert machine.builds() == ["actionlint"]


def test_a_killed_build_leaves_nothing_half_made(machine: Machine) -> None:
    process = machine.start("install", "actionlint", FAKE_GO="slow")
    machine.wait_for_build()
    process.kill()
    process.communicate(timeout=60)
    assert machine.entries() == []
    assert len(machine.leftovers()) == 1

    status, _, errors = machine.run("install", "actionlint")
    assert status == 0
    assert "waiting" not in errors
    assert machine.installed("actionlint").read_text().startswith("built ")
    assert machine.leftovers() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_is_ended_and_cleaned_up(
    machine: Machine, number: signal.Signals
) -> None:
    process = machine.start("install", "actionlint", FAKE_GO="slow")
    build = machine.wait_for_build()
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.endswith("interrupted: what was finished is kept, nothing is left half-made\n")
    assert (machine.entries(), machine.leftovers()) == ([], [])
    with pytest.raises(ProcessLookupError):
        os.kill(build, 0)


def test_concurrent_runs_build_once_and_the_second_says_that_it_waits(machine: Machine) -> None:
    first = machine.start("install", "actionlint", FAKE_GO="slow")
    machine.wait_for_build()
    second = machine.start("install", "actionlint", FAKE_GO="slow")
    assert second.stderr is not None
    said = second.stderr.readline()
    assert said == f"{ACTIONLINT}: waiting for another process that is installing it\n"
    machine.finish_build()
    assert second.communicate(timeout=60)[1] == ""
    first.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (0, 0)
    assert machine.builds() == ["actionlint"]


def test_a_failing_build_shows_the_end_of_its_output_and_where_the_rest_is(
    machine: Machine,
) -> None:
    status, _, errors = machine.run("install", "actionlint", FAKE_GO="fail")
    assert status == 1
    assert errors.splitlines()[-20:] == [f"error {n}" for n in range(11, 31)]
    (log,) = machine.cache.glob("logs/*")
    assert f"go build of actionlint failed with status 3; the end of {log}:" in errors
    assert log.read_text().startswith("error 1\n")
    assert (machine.entries(), machine.leftovers()) == ([], [])
