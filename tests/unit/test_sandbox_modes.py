"""Where the components of a tier run, by what the machine allows."""

import itertools

import pytest

from sandbox.modes import Machine, choose
from sandbox.state import ALIAS, SandboxError

MACHINES = [
    Machine(namespaces=namespaces, may_edit_hosts=may_edit_hosts, address=address)
    for namespaces, may_edit_hosts, address in itertools.product(
        [(), ("--user",)], [True, False], ["192.0.2.7", None]
    )
]


@pytest.mark.parametrize("machine", MACHINES)
def test_core_needs_nothing_of_the_machine(machine: Machine) -> None:
    assert choose("core", 16440, machine).mode == "direct"


@pytest.mark.parametrize("machine", [made for made in MACHINES if made.namespaces])
def test_full_changes_nothing_of_a_machine_that_allows_namespaces(machine: Machine) -> None:
    run = choose("full", 16440, machine)
    assert (run.mode, run.address) == ("namespace", ALIAS)


def test_root_without_namespaces_runs_full_with_the_address_of_the_machine() -> None:
    run = choose("full", 16440, Machine(namespaces=(), may_edit_hosts=True, address="192.0.2.7"))
    assert (run.mode, run.address) == ("machine", "192.0.2.7")


@pytest.mark.parametrize(("may_edit_hosts", "address"), [(False, "192.0.2.7"), (True, None)])
def test_full_without_namespaces_or_root_is_refused_with_the_remedies(
    may_edit_hosts: bool,
    address: str | None,
) -> None:
    machine = Machine(namespaces=(), may_edit_hosts=may_edit_hosts, address=address)
    with pytest.raises(SandboxError) as caught:
        choose("full", 16440, machine)
    for remedy in ("user.max_user_namespaces", "root", "start core"):
        assert remedy in str(caught.value)
