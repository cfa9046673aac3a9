"""Decides where the components of a tier run."""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from sandbox import namespace, network
from sandbox.state import ALIAS, Run, SandboxError, Tier

HOSTS = Path("/etc/hosts")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What this machine allows the user who starts a sandbox."""

    # Arguments of unshare that are allowed; empty when none are.
    namespaces: tuple[str, ...]
    may_edit_hosts: bool
    address: str | None

    @classmethod
    def observed(cls) -> Self:
        """Try what is allowed here; changes nothing."""
        return cls(
            namespaces=namespace.flags() or (),
            may_edit_hosts=os.geteuid() == 0 and os.access(HOSTS, os.W_OK),
            address=network.machine_address(),
        )


def choose(tier: Tier, port_base: int, machine: Machine, *, prometheus: bool = False) -> Run:
    """Run core as it is; full in a namespace, else as root with names of the machine itself.

    Raises:
        SandboxError: The full tier can run neither way here.
    """
    if tier == "core":
        return Run(tier=tier, mode="direct", address=ALIAS, port_base=port_base)
    made = partial(Run, tier=tier, port_base=port_base, prometheus=prometheus)
    if machine.namespaces:
        return made(mode="namespace", address=ALIAS)
    if machine.may_edit_hosts and machine.address:
        return made(mode="machine", address=machine.address)
    message = (
        "the full sandbox needs a namespace of its own, but unshare (util-linux) is missing or was "
        "refused: allow user namespaces (sysctl user.max_user_namespaces, "
        "kernel.apparmor_restrict_unprivileged_userns), run it as root with an address other than "
        "127/8 and a writable /etc/hosts, or do with `python -m sandbox start core`"
    )
    raise SandboxError(message)
