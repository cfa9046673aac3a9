"""What the stand-in for vLLM is told to report of all pods, and quick answers of the pods."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox.state import REPOSITORY, Ports
from tests.cluster.sandboxes import Sandbox
from tools import locate


def tell(sandbox: Sandbox, **values: float | None) -> None:
    """Set what every pod's /metrics reports."""
    port = Ports.counted_from(sandbox.port_base).stand_in_control
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/pods", json.dumps(values))
    answer = connection.getresponse()
    assert answer.status == http.HTTPStatus.OK, answer.read()


def ask_pods(
    sandbox: Sandbox, addresses: Sequence[str], folder: Path, *, rate: int, seconds: int
) -> None:
    """Send requests/s to pods in turn, past Traefik and the interceptor; each takes no time."""
    (folder / "quick").write_text("{}")
    (folder / "pods").write_text(
        "".join(
            f"POST http://{address}:8000/v1/completions\n@{folder / 'quick'}\n\n"
            for address in addresses
        )
    )
    attack = (
        *(str(locate.program("vegeta")), "attack", f"-rate={rate}/s", f"-duration={seconds}s"),
        *(f"-targets={folder / 'pods'}", f"-output={folder / 'answered'}"),
    )
    subprocess.run(
        [sys.executable, "-m", "sandbox", "exec", *attack],
        cwd=REPOSITORY,
        env=sandbox.environment,
        check=True,
    )
