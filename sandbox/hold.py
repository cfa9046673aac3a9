"""First process of the private namespace: sets it up, then keeps it until it is told to end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from sandbox import network
from sandbox.state import ALIAS


def main(hosts_file: str, ready_file: str) -> None:
    """Set up loopback and /etc/hosts, report ready, and reap orphans until SIGTERM."""
    awaited = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    network.bring_up_loopback(ALIAS)
    subprocess.run(["mount", "--bind", hosts_file, "/etc/hosts"], check=True)
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
