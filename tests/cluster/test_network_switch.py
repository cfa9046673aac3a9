"""Whom the NetworkPolicies admit at every moment while autoscaling is switched on and off."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.exposed import Exposed, exposed_stack
from tests.cluster.sandboxes import PATIENCE_SECONDS, Sandbox
from tools import locate

pytestmark = pytest.mark.cluster

NAMESPACE = "llm-switch"
INGRESS = {"host": "switch.example.com"}
CALLERS = {"vllm": "traefik", "vllm-interceptor": "keda"}
"""The namespace that calls the server, by the Service that the Ingress leads to."""

Objects = dict[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Change:
    """What an object became, or was last, at a version of the whole cluster."""

    version: int
    deleted: bool
    object: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.object['kind']}/{self.object['metadata']['name']}"


@contextmanager
def watched(sandbox: Sandbox, kind: str, file: Path) -> Generator[Path]:
    """Write every change of a kind into a file, a JSON document each."""
    asked = ("get", kind, f"--namespace={NAMESPACE}", "--watch", "--output-watch-events")
    command = [locate.program("kubectl"), f"--kubeconfig={sandbox.kubeconfig}", *asked]
    with file.open("w") as target:
        watching = subprocess.Popen([*command, "--output=json"], stdout=target)
    try:
        yield file
    finally:
        watching.terminate()
        watching.wait()


def changes_in(*files: Path) -> list[Change]:
    """What was written so far, in the order in which it happened."""
    found: list[Change] = []
    for file in files:
        text, decoder = file.read_text(), json.JSONDecoder()
        while text := text.lstrip():
            try:
                event, end = decoder.raw_decode(text)
            except json.JSONDecodeError:
                break  # Not written to its end yet.
            version = int(event["object"]["metadata"]["resourceVersion"])
            deleted = event["type"] == "DELETED"
            found.append(Change(version=version, deleted=deleted, object=event["object"]))
            text = text[end:]
    return sorted(found, key=lambda change: change.version)


def states(changes: list[Change]) -> Iterator[tuple[int, Objects]]:
    """What there was after each change."""
    present: Objects = {}
    for change in changes:
        present = {name: each for name, each in present.items() if name != change.name}
        if not change.deleted:
            present[change.name] = change.object
        yield change.version, present


def now(exposed: Exposed) -> Objects:
    found = exposed.all("networkpolicies,ingresses")
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in found}


def versions(objects: Objects) -> dict[str, str]:
    return {name: each["metadata"]["resourceVersion"] for name, each in objects.items()}


def caught_up(exposed: Exposed, files: list[Path]) -> int:
    """Wait until what is there has been written, and return its latest version."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        present: Objects = {}
        latest = 0
        for latest, present in states(changes_in(*files)):  # noqa: B007 - the last one counts
            pass
        if versions(present) == versions(now(exposed)):
            return latest
        assert time.monotonic() < deadline, versions(present)
        time.sleep(0.1)


def backend(objects: Objects) -> str:
    """The Service that the Ingress leads to."""
    (rule,) = objects["Ingress/vllm"]["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    return path["backend"]["service"]["name"]


def admitted(objects: Objects) -> set[str]:
    """The namespaces whose pods reach the server's port."""
    found: set[str] = set()
    for each in objects.values():
        spec: Mapping[str, Any] = each["spec"]
        selected = spec.get("podSelector", {}).get("matchLabels", {})
        if selected.get("app.kubernetes.io/component") != "server":
            continue
        for rule in spec.get("ingress", []):
            assert [port["port"] for port in rule["ports"]] == [8000]
            for peer in rule["from"]:
                found |= set(peer["namespaceSelector"]["matchLabels"].values())
    return found


@pytest.fixture(scope="module")
def stack(full_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exposed]:
    with exposed_stack(full_sandbox, tmp_path_factory.mktemp("switch"), NAMESPACE) as made:
        made.up(cache={"storage": "none"}, ingress=INGRESS, autoscaling={"enabled": False})
        yield made


def test_whom_the_way_in_leads_to_the_server_is_admitted_at_every_moment_of_a_switch(
    stack: Exposed, tmp_path: Path
) -> None:
    with ExitStack() as watching:
        files = [
            watching.enter_context(watched(stack.sandbox, kind, tmp_path / kind))
            for kind in ("networkpolicies", "ingresses")
        ]
        began = caught_up(stack, files)
        for enabled in (True, False):
            stack.up(autoscaling={"enabled": enabled})
            caught_up(stack, files)
        moments = [each for version, each in states(changes_in(*files)) if version >= began]
    led_to = [backend(each) for each in moments]
    assert (led_to[0], led_to[-1]) == ("vllm", "vllm")
    assert "vllm-interceptor" in led_to
    shut_out = [
        (service, sorted(admitted(each)))
        for service, each in zip(led_to, moments, strict=True)
        if CALLERS[service] not in admitted(each)
    ]
    assert shut_out == []
    # Whom it leads there no more is admitted no more once all is done.
    assert "keda" not in admitted(moments[-1])
