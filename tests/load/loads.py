"""Requests at a constant rate, sent by vegeta from where the sandbox's components run."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sandbox.state import REPOSITORY, Ports
from tests.cluster.sandboxes import Sandbox
from tools import locate

Entrance = Literal["ingress", "interceptor"]

_PATH = "/v1/chat/completions"
_BODY = {"model": "any", "messages": [{"role": "user", "content": "Hello"}]}
_PATIENCE_SECONDS = 60
_WORKERS = 2000
"""Requests that are under way at once, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one request: when it was sent (s since the epoch), its time and its status.

    A status of 0 is none at all, which `error` explains.
    """

    sent: float
    seconds: float
    status: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Requests that are being sent, from `began` (s since the epoch) for so many seconds."""

    rate: int
    began: float
    seconds: float
    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def ends(self) -> float:
        """When the last request is sent, in s since the epoch."""
        return self.began + self.seconds

    def stop(self) -> float:
        """Send no more, and return when that was (s since the epoch); what is under way goes on."""
        pid = self.process.pid
        # nsenter waits for vegeta, and passes no signal on.
        child = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(int(child[0]) if child else pid, signal.SIGINT)
        return time.time()

    def end(self) -> None:
        """Stop it if it goes on still."""
        if self.process.poll() is None:
            self.stop()

    def answers(self) -> list[Answer]:
        """Wait for the end of the load, and return an answer for each request in order.

        Raises:
            AssertionError: the load generator failed.
        """
        code = self.process.wait(timeout=self.seconds + 2 * _PATIENCE_SECONDS)
        assert code == 0, (self.folder / "stderr").read_text()
        encoded = subprocess.run(
            [locate.program("vegeta"), "encode", "--to=csv", self.folder / "results"],
            capture_output=True,
            text=True,
            check=True,
        )
        # https://github.com/tsenart/vegeta: time of sending in ns since the epoch, status, latency
        # in ns, bytes out, bytes in, error, and more.
        return [
            Answer(
                sent=int(row[0]) / 1e9,
                status=int(row[1]),
                seconds=int(row[2]) / 1e9,
                error=row[5],
            )
            for row in csv.reader(io.StringIO(encoded.stdout))
        ]


def send(
    sandbox: Sandbox,
    host: str,
    folder: Path,
    *,
    rate: int,
    seconds: float,
    entrance: Entrance = "ingress",
    headers: Iterable[str] = (),
    patience_seconds: float = _PATIENCE_SECONDS,
) -> Load:
    """Begin to send so many requests a second, and return at once.

    Args:
        sandbox: whose namespace they are sent in.
        host: which they carry.
        folder: that takes what the load generator writes; a new one for each load.
        rate: in requests/s, kept whether or not answers come.
        seconds: after which no more are sent.
        entrance: Traefik, with the interceptor behind it, or the interceptor alone.
        headers: of each request, such as `X-Stand-In-Seconds: 2`.
        patience_seconds: after which a request counts as lost.
    """
    _write_target(folder, sandbox, entrance)
    command = _attack(
        folder,
        f"-rate={rate}/s",
        f"-duration={seconds}s",
        f"-timeout={patience_seconds}s",
        *(f"-header={header}" for header in (f"Host: {host}", *headers)),
    )
    with (folder / "stderr").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "exec", *command],
            cwd=REPOSITORY,
            env=sandbox.environment,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    return Load(rate=rate, began=time.time(), seconds=seconds, process=process, folder=folder)


def _write_target(folder: Path, sandbox: Sandbox, entrance: Entrance) -> None:
    ports = Ports.counted_from(sandbox.port_base)
    port = ports.ingress if entrance == "ingress" else ports.interceptor_proxy
    folder.mkdir(parents=True)
    (folder / "body").write_text(json.dumps(_BODY))
    (folder / "targets").write_text(f"POST http://127.0.0.1:{port}{_PATH}\n@{folder / 'body'}\n")


def _attack(folder: Path, *arguments: str) -> list[str]:
    return [
        str(locate.program("vegeta")),
        "attack",
        f"-targets={folder / 'targets'}",
        f"-output={folder / 'results'}",
        f"-max-workers={_WORKERS}",
        "-max-body=0",
        "-header=Content-Type: application/json",
        *arguments,
    ]


def lost(answers: Iterable[Answer]) -> list[Answer]:
    """Those that are not 200."""
    return [answer for answer in answers if answer.status != 200]


def told(answers: Iterable[Answer]) -> str:
    """Statuses, errors and the slowest: for a message or a report."""
    kept = list(answers)
    statuses = Counter(answer.status for answer in kept)
    errors = Counter(answer.error for answer in lost(kept))
    slowest = max((answer.seconds for answer in kept), default=0.0)
    said = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    why = "".join(f"; {count} x {error}" for error, count in errors.most_common(5))
    return f"{len(kept)} requests: {said}; slowest {slowest:.2f} s{why}"
