"""`python -m planning explain`: what the preview would say of a model, without a stack's engine."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.loader import load_gpus
from catalog.records import Model
from planning.errors import PlanError
from planning.explain import explanation, explanation_lines, model_figures, verdict_figures
from planning.facts import stack_model
from planning.overrides import overrides_of
from planning.presets import evaluate
from planning.stack import make_plan
from planning.table import LEGEND, table
from planning.verdicts import verdict
from settings.mistakes import Mistake
from settings.models import StackSettings
from settings.parse import parse
from settings.stack_files import read_stack_file

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # pyright: ignore[reportPrivateUsage] - argparse names its type so

PRESETS = "presets/sandbox.yaml"
"""The presets of a command that names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    settings: StackSettings
    stack: str


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("explain", help="say which preset serves a model, and why")
    parser.add_argument("model", metavar="MODEL", help="short name or Hugging Face repository")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--presets", metavar="FILE", default=PRESETS, help=f"presets (default: {PRESETS})"
    )
    source.add_argument("--stack", metavar="NAME", help="presets and keys of Pulumi.NAME.yaml")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(asked: argparse.Namespace) -> int:
    """Explain the choice; 1, with every preset's reason, when the model can be served by none.

    Raises:
        PlanError: the stack config has mistakes, or the model is not known.
    """
    request = _of_stack(asked.stack, asked.model) if asked.stack else _of_file(asked)
    settings = request.settings
    model = stack_model(settings)
    try:
        plan = make_plan(settings, stack=request.stack, model=model)
    except PlanError as error:
        return _refused(error, model, settings, as_json=asked.json)
    if asked.json:
        print(json.dumps(explanation(plan, model), indent=2))
        return 0
    print("\n".join(explanation_lines(plan)))
    for warning in plan.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return 0


def _of_file(asked: argparse.Namespace) -> _Asked:
    raw = {
        "model": asked.model,
        "presets": asked.presets,
        "ingress": json.dumps({"enabled": False}),
        "kubernetes": json.dumps({"renderTo": "nowhere"}),
    }
    # As in development, so that a model without a pinned commit can be explained.
    return _Asked(settings=_settings(raw, frozenset()), stack="dev")


def _of_stack(stack: str, model: str) -> _Asked:
    path = Path(f"Pulumi.{stack}.yaml")
    try:
        file = read_stack_file(path)
    except OSError as error:
        raise PlanError(
            Mistake(
                key="--stack",
                wrong=f"'{path}' cannot be read ({error.strerror})",
                rule="a stack is a file Pulumi.NAME.yaml in this folder",
                remedy="name one that exists, or give --presets",
            )
        ) from None
    raw = dict(file.raw)
    if raw.get("model") != model:
        raw.pop("revision", None)  # the commit of another repository
    return _Asked(settings=_settings(raw | {"model": model}, file.secret), stack=stack)


def _settings(raw: dict[str, str], secret: frozenset[str]) -> StackSettings:
    parsed = parse(raw, secret=secret)
    if parsed.settings is None:
        raise PlanError(*parsed.mistakes)
    return parsed.settings


def _refused(error: PlanError, model: Model, settings: StackSettings, *, as_json: bool) -> int:
    gpus = {gpu.key: gpu for gpu in load_gpus()}
    overrides = overrides_of(settings)
    found = evaluate(model, settings.presets, gpus=gpus, overrides=overrides)
    rows = [verdict(one, chosen=False) for one in found]
    mistakes = [str(mistake) for mistake in sorted(error.mistakes)]
    if as_json:
        body: dict[str, object] = {
            "model": model.id,
            "revision": settings.revision or model.revision,
            **model_figures(model),
            "preset": None,
            "mistakes": mistakes,
            **verdict_figures(rows),
        }
        print(json.dumps(body, indent=2))
    else:
        print("\n".join([f"{model.id}: no preset is chosen", "", *table(rows), "", *LEGEND]))
    for mistake in mistakes:
        print(f"error: {mistake}", file=sys.stderr)
    return 1
