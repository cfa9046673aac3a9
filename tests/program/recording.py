"""Runs the real program under Pulumi's mocks and keeps the raw requests, which hold all options."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import runpy
import sys
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pulumi
from google.protobuf import json_format
from pulumi.runtime.mocks import MockCallArgs, MockEngine, MockMonitor, MockResourceArgs, Mocks
from pulumi.runtime.settings import Settings, configure
from pulumi.runtime.stack import run_in_stack

from settings.stack_files import PROJECT, read_stack_file

ROOT = Path(__file__).resolve().parents[2]
SECRET_SIGNATURE = "4dabf18193072939515e22adb298388d"
"""How Pulumi marks a special value on the wire (sdk/go/common/resource, SigKey)."""

SECRET_KIND = "1b47061264138c4ac30d75fd1eb44270"
"""The mark of a secret (sdk/go/common/resource, SecretSig)."""


@dataclass(frozen=True, kw_only=True)
class Requested:
    """One resource as the program asked the engine for it."""

    type: str
    name: str
    parent: str
    provider: str
    custom: bool
    inputs: dict[str, Any]
    protect: bool
    retain_on_delete: bool
    ignore_changes: tuple[str, ...]
    after: frozenset[str]
    """Names of the resources that it waits for."""

    create_timeout: str
    update_timeout: str


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What a run of the program asked for, exported and said."""

    requests: tuple[Requested, ...]
    outputs: dict[str, Any]
    messages: tuple[tuple[str, str], ...]

    def of_type(self, ending: str) -> list[Requested]:
        """Requests whose type token ends so, such as `:Deployment`."""
        return [request for request in self.requests if request.type.endswith(ending)]

    def only(self, ending: str) -> Requested:
        """The one request of a type."""
        (request,) = self.of_type(ending)
        return request

    def warnings(self) -> list[str]:
        """Text of the warnings."""
        return [text for level, text in self.messages if level == "WARNING"]


class _Echo(Mocks):
    """Answers with the inputs; a name that was left to the provider is made up as it does."""

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"the program asked the provider for {args.token}")

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        untyped: Any = args
        state: dict[str, Any] = dict(untyped.inputs)
        metadata = state.get("metadata")
        if metadata is not None:
            state["metadata"] = {"name": f"{args.name}-1a2b3c", **metadata}
        return f"{args.name}-id", state


@dataclass
class _Recorder(MockMonitor):
    """Keeps each request as it would go to the engine."""

    requests: list[Requested] = field(default_factory=list[Requested])
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        super().__init__(_Echo())

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the name of the gRPC method
        if request.type != "pulumi:pulumi:Stack":
            self.requests.append(
                Requested(
                    type=request.type,
                    name=request.name,
                    parent=request.parent,
                    provider=request.provider,
                    custom=request.custom,
                    inputs=json_format.MessageToDict(request.object),
                    protect=request.protect,
                    retain_on_delete=request.retainOnDelete,
                    ignore_changes=tuple(request.ignoreChanges),
                    after=frozenset(urn.rpartition("::")[2] for urn in request.dependencies),
                    create_timeout=request.customTimeouts.create,
                    update_timeout=request.customTimeouts.update,
                )
            )
        monitor: Any = super()
        with _loop_of_this_thread():
            return monitor.RegisterResource(request)

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 - likewise
        if "::pulumi:pulumi:Stack::" in request.urn:
            self.outputs |= json_format.MessageToDict(request.outputs)
        monitor: Any = super()
        return monitor.RegisterResourceOutputs(request)


@contextlib.contextmanager
def _loop_of_this_thread() -> Generator[None]:
    """An event loop that is closed again.

    The one that the SDK's mocks make otherwise is left to the garbage collector, which may take its
    parts first, so that the end of the loop fails (pulumi 3.259.0, runtime/sync_await.py).
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        loop.close()


class _Engine(MockEngine):
    def RequirePulumiVersion(self, request: Any) -> None:  # noqa: N802 - likewise
        """The CLI is none here, so every version will do."""


class _Messages(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append((record.levelname, record.getMessage()))


def run_program(
    raw: Mapping[str, str], *, secret: frozenset[str] = frozenset(), stack: str, preview: bool
) -> Recording:
    """Run `__main__.py` with a stack config.

    Args:
        raw: the project's keys with their text, as `settings.stack_files` reads them.
        secret: which of them are secrets.
        stack: the stack's name.
        preview: whether it is a preview.
    """
    messages, recorder = _Messages(), _Recorder()
    logger = logging.Logger("program", logging.INFO)
    logger.addHandler(messages)

    async def run() -> None:
        # As the language host does it; set_mocks would make a root stack that catches the exports.
        configure(
            Settings(
                project=PROJECT,
                stack=stack,
                monitor=recorder,
                engine=_Engine(logger),
                dry_run=preview,
            )
        )
        config = {f"{PROJECT}:{key}": value for key, value in raw.items()}
        pulumi.runtime.set_all_config(config, [f"{PROJECT}:{key}" for key in secret])
        await run_in_stack(_program)

    # The real Hub is asked nothing.
    with contextlib.chdir(ROOT), patch.dict(os.environ, {"HF_HUB_OFFLINE": "1"}):
        asyncio.run(run())
    return Recording(
        requests=tuple(recorder.requests),
        outputs=recorder.outputs,
        messages=tuple(messages.seen),
    )


def _program() -> None:
    runpy.run_path("__main__.py", run_name="__main__")


def run_stack_file(
    stack: str, overrides: Mapping[str, object] | None = None, *, preview: bool = False
) -> Recording:
    """Run the program with a committed stack file, some of its keys replaced.

    Args:
        stack: the stack's name.
        overrides: values by key; what is no text is written as JSON, as Pulumi does.
        preview: whether it is a preview.
    """
    found = read_stack_file(ROOT / f"Pulumi.{stack}.yaml")
    texts = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in (overrides or {}).items()
    }
    return run_program(found.raw | texts, secret=found.secret, stack=stack, preview=preview)


if __name__ == "__main__":
    asked = sorted(run_stack_file(sys.argv[1]).requests, key=lambda request: request.name)
    for request in asked:
        print(json.dumps(asdict(request), sort_keys=True, default=sorted))
