"""Pulumi commands that change nothing, one after the other, while a load runs."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle

from tests.load.background import Background
from tests.pulumi_project import PulumiProject

_COMMANDS = (
    ("up", "--yes", "--skip-preview", "--diff", "--expect-no-changes"),
    ("refresh", "--yes", "--skip-preview", "--expect-no-changes"),
    ("preview", "--diff", "--expect-no-changes"),
)
COMMANDS = {command[0] for command in _COMMANDS}
_STEP_SECONDS = 10.0
_PATIENCE_SECONDS = 300
_DIFFERENCE = "no changes were expected"
_CHANGE = re.compile(r"\s*[-+~]+ ")
_REWRITTEN = (r"~ kubernetes:apps/v1:Deployment: \(update\)", r"~ 1 (to update|updated)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One command: its first word, when it began (s since the epoch), its time and its end."""

    command: str
    began: float
    seconds: float
    code: int
    said: str

    @property
    def found_a_difference(self) -> bool:
        """Whether it read the cluster and would have changed, or did change, something."""
        return _DIFFERENCE in self.said

    @property
    def rewrites_the_deployment(self) -> bool:
        """Whether all that it shows is that the Deployment is written again as it is.

        A refresh that finds too few pods ready notes that the Deployment failed to initialise
        (pulumi-kubernetes, provider.Read), and the engine has the next command update what failed.
        """
        changes = [line.strip() for line in self.said.splitlines() if _CHANGE.match(line)]
        return len(changes) == 2 and all(map(re.fullmatch, _REWRITTEN, changes))

    def overlaps(self, began: float, ended: float) -> bool:
        """Whether it ran at any time between the two, in s since the epoch."""
        return self.began <= ended and self.began + self.seconds >= began


class PulumiTurns(Background):
    """Every ten seconds `pulumi up`, `refresh` or `preview`, which is to find no change."""

    def __init__(self, project: PulumiProject) -> None:
        super().__init__()
        self.turns: list[Turn] = []
        self._project = project
        self._stack = threading.Lock()

    def work(self) -> None:
        """Run one command after the other until the end, and each at least once."""
        for number, command in enumerate(cycle(_COMMANDS), start=1):
            with self._stack:
                turn = self._run(command)
            self.turns.append(turn)
            ended = self.ended.wait(max(0.0, _STEP_SECONDS - turn.seconds))
            if ended and number >= len(_COMMANDS):
                return

    def _run(self, command: tuple[str, ...]) -> Turn:
        began = time.time()
        done = self._project.run(*command)
        return Turn(
            command=command[0],
            began=began,
            seconds=time.time() - began,
            code=done.returncode,
            said=done.stdout + done.stderr,
        )

    @contextmanager
    def paused(self) -> Generator[None]:
        """Leave the stack, of which one command at a time has the lock, to the block's own."""
        with self._stack:
            yield

    def since(self, began: float) -> list[Turn]:
        """The commands that began at a time, in s since the epoch, or later."""
        return [turn for turn in self.turns if turn.began >= began]

    def wait_for_another(self) -> None:
        """Wait until a command is over that had not begun yet."""
        now, deadline = time.time(), time.monotonic() + _PATIENCE_SECONDS
        while not self.since(now):
            assert time.monotonic() < deadline, "no command of Pulumi's came to its end"
            time.sleep(0.1)

    def wait_for_each(self) -> None:
        """Wait until each command had a turn; a busy machine is long about one."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while {turn.command for turn in self.turns} != COMMANDS:
            assert time.monotonic() < deadline, [turn.command for turn in self.turns]
            time.sleep(0.1)


def failures(turns: Iterable[Turn], *, unreachable: tuple[float, float] | None = None) -> list[str]:
    """What the commands said that failed, but for those that only write the Deployment again.

    Args:
        turns: the commands.
        unreachable: from when to when the API server was away, in s since the epoch. A command of
            that time may fail, unless it could read enough to find a difference.
    """
    return [
        turn.said
        for turn in turns
        if turn.code
        and not turn.rewrites_the_deployment
        and (turn.found_a_difference or not (unreachable and turn.overlaps(*unreachable)))
    ]
