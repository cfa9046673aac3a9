"""First process of the private namespace: sets it up, then keeps it until it is told to end."""

import os
import signal
import subprocess
import sys
from ipaddress import IPv4Interface
from pathlib import Path

from sandbox import network
from sandbox.state import ALIAS, POD_NETWORK


def main(hosts_file: str, resolver_file: str, ready_file: str) -> None:
    """Set up loopback and the resolution of names, report ready, and reap orphans until SIGTERM."""
    awaited = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    network.bring_up_loopback(IPv4Interface(ALIAS), POD_NETWORK)
    for file, place in ((hosts_file, "/etc/hosts"), (resolver_file, "/etc/resolv.conf")):
        # Without a resolv.conf, programs ask 127.0.0.1, which is what ours says.
        if Path(place).exists():
            subprocess.run(["mount", "--bind", file, place], check=True)
    Path(ready_file).touch()
    while signal.sigwait(awaited) == signal.SIGCHLD:
        _reap()


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


if __name__ == "__main__":
    main(*sys.argv[1:])
