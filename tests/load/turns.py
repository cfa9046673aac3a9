"""Pulumi commands that change nothing, one after the other, while a load runs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import cycle

from tests.load.background import Background
from tests.pulumi_project import PulumiProject

_COMMANDS = (
    ("up", "--yes", "--skip-preview", "--expect-no-changes"),
    ("refresh", "--yes", "--skip-preview", "--expect-no-changes"),
    ("preview", "--diff", "--expect-no-changes"),
)
_STEP_SECONDS = 10.0
_PATIENCE_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One command: its first word, when it began (s since the epoch), its time and its end."""

    command: str
    began: float
    seconds: float
    code: int
    said: str


class PulumiTurns(Background):
    """Every ten seconds `pulumi up`, `refresh` or `preview`, which is to find no change."""

    def __init__(self, project: PulumiProject) -> None:
        super().__init__()
        self.turns: list[Turn] = []
        self._project = project

    def work(self) -> None:
        """Run one command after the other until the end, and each at least once."""
        for number, command in enumerate(cycle(_COMMANDS), start=1):
            began = time.time()
            done = self._project.run(*command)
            seconds = time.time() - began
            self.turns.append(
                Turn(
                    command=command[0],
                    began=began,
                    seconds=seconds,
                    code=done.returncode,
                    said=done.stdout + done.stderr,
                )
            )
            ended = self.ended.wait(max(0.0, _STEP_SECONDS - seconds))
            if ended and number >= len(_COMMANDS):
                return

    def wait_for_each(self) -> None:
        """Wait until each command had a turn; a busy machine is long about one."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while len(self.turns) < len(_COMMANDS):
            assert time.monotonic() < deadline, [turn.command for turn in self.turns]
            time.sleep(0.1)
