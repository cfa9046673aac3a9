"""Time of a fresh `pulumi up`: `python -m benchmarks.up` compares the program with a bare one.

Both deploy the dev stack's objects to a core sandbox of their own: the bare program registers what
the state of the program's first `up` holds, in the same order, on the same kind of provider. They
take turns, so that what else the machine does meets both, and each turn has a ratio of its own.
Neither waits for the download Job or the server's pods: that wait is the model's and the same.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tests.cluster.sandboxes import Sandbox, new_sandbox
from tests.pulumi_project import STACK, PulumiProject, committed_stack_file

MOST_RATIO = 1.6
"""The program may take this many times what the same objects take without it."""

PAIRS = 5
_BARE = Path(__file__).with_name("bare")
_AUTONAMED = "pulumi.com/autonamed"
# The program's own wait for the rollout is left with the first question.
_ASKS_ONCE = """
from cluster import end_of_rollout

read = end_of_rollout.read_rollout


def read_once(client, namespace, name):
    read(client, namespace, name)
    return None


end_of_rollout.read_rollout = read_once
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Seconds of two fresh ups, one after the other."""

    program: float
    bare: float

    @property
    def ratio(self) -> float:
        """How many times the bare program's time the program takes."""
        return self.program / self.bare


def measure(pairs: int, *, in_doubt: int = 0) -> list[Pair]:
    """Measure on a core sandbox that is made for it; the first pair, which warms up, is left out.

    Args:
        pairs: how many.
        in_doubt: how many more where those are above the bound, since what else the machine did may
            have met one of the two programs alone; all of them count.

    Raises:
        AssertionError: a command of Pulumi failed.
        ValueError: the two programs register different objects.
    """
    with new_sandbox() as sandbox, tempfile.TemporaryDirectory() as folder:
        sandbox.start("core")
        program = _program(Path(folder) / "program", sandbox)
        _fresh_up(program, destroy=False)
        objects = _objects(program)
        program.succeed("destroy", "--yes", "--skip-preview")
        bare = _bare(Path(folder) / "bare", sandbox, objects)
        _fresh_up(bare, destroy=False)
        _check_same(objects, _objects(bare))
        bare.succeed("destroy", "--yes", "--skip-preview")

        def measured(count: int) -> list[Pair]:
            return [Pair(program=_fresh_up(program), bare=_fresh_up(bare)) for _ in range(count)]

        first = measured(pairs)
        return first if median_ratio(first) <= MOST_RATIO else first + measured(in_doubt)


def _program(folder: Path, sandbox: Sandbox) -> PulumiProject:
    project = _project(folder, sandbox).check_out(committed_stack_file("dev"))
    project.await_no_model(first=_ASKS_ONCE)
    project.succeed("stack", "init", STACK)
    return project


def _bare(folder: Path, sandbox: Sandbox, objects: list[dict[str, Any]]) -> PulumiProject:
    project = _project(folder, sandbox)
    project.backend.mkdir(parents=True)
    shutil.copytree(_BARE, project.folder)
    (project.folder / ".venv").symlink_to(sys.prefix)
    (project.folder / "objects.json").write_text(json.dumps(objects))
    (project.folder / "context.txt").write_text(sandbox.context)
    project.succeed("stack", "init", STACK)
    return project


def _project(folder: Path, sandbox: Sandbox) -> PulumiProject:
    return PulumiProject(
        folder=folder / "checkout", backend=folder / "backend", kubeconfig=sandbox.kubeconfig
    )


def _fresh_up(project: PulumiProject, *, destroy: bool = True) -> float:
    began = time.monotonic()
    project.succeed("up", "--yes", "--skip-preview")
    seconds = time.monotonic() - began
    if destroy:
        project.succeed("destroy", "--yes", "--skip-preview")
    return seconds


def _objects(project: PulumiProject) -> list[dict[str, Any]]:
    """What the program registered, in an order in which each follows what it depends on."""
    exported = json.loads(project.succeed("stack", "export"))
    resources = exported["deployment"]["resources"]
    return list(_registered([r for r in resources if r["type"].startswith("kubernetes:")]))


def _check_same(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    inputs = [{item["name"]: item["inputs"] for item in objects} for objects in (one, other)]
    if not one or inputs[0] != inputs[1]:
        differing = sorted(n for n in inputs[0] if inputs[0][n] != inputs[1].get(n))
        raise ValueError(f"the bare program registers other objects: {differing or 'none'}")


def _registered(resources: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for resource in resources:
        inputs = {
            re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", key): value
            for key, value in resource["inputs"].items()
            if key not in {"apiVersion", "kind"}
        }
        # A name that the engine made up is taken as it is: another object refers to it.
        annotations: dict[str, str] = inputs["metadata"].pop("annotations", {})
        if kept := {key: annotations[key] for key in annotations if key != _AUTONAMED}:
            inputs["metadata"]["annotations"] = kept
        timeouts: dict[str, int] = resource.get("customTimeouts") or {}
        yield {
            "type": resource["type"],
            "name": _name(resource["urn"]),
            "inputs": inputs,
            "after": [_name(urn) for urn in resource.get("dependencies", [])],
            "timeouts": {
                operation: f"{seconds}s" for operation, seconds in timeouts.items() if seconds
            },
            "ignoreChanges": resource.get("ignoreChanges") or [],
        }


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]


def median_ratio(pairs: Sequence[Pair]) -> float:
    """How many times as long as the bare objects the program takes, in the middle of all pairs."""
    return median(pair.ratio for pair in pairs)


def main() -> int:
    """Print each pair and the medians; the exit code is 1 where the ratio is above its bound."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.up", description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"default: {PAIRS}")
    before = os.getloadavg()[0]
    pairs = measure(parser.parse_args().pairs)
    for pair in pairs:
        print(f"program {pair.program:5.2f} s, bare {pair.bare:5.2f} s: {pair.ratio:.2f} times")
    program, bare = median(p.program for p in pairs), median(p.bare for p in pairs)
    ratio = median_ratio(pairs)
    print(f"medians {program:.2f} s and {bare:.2f} s, of the ratios {ratio:.2f} (<= {MOST_RATIO})")
    print(f"load of the machine {before:.2f} before and {os.getloadavg()[0]:.2f} after")
    return 1 if ratio > MOST_RATIO else 0


if __name__ == "__main__":
    sys.exit(main())
