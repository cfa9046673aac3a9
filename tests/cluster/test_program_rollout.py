"""How pods are replaced on the sandbox's real Deployment controller and scheduler."""

import json
import subprocess
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pytest

from tests.cluster.sandboxes import PATIENCE_SECONDS, Sandbox
from tests.pulumi_project import STACK, PulumiProject, committed_stack_file
from tools import locate

pytestmark = pytest.mark.cluster

NAMESPACE = "llm-rollout"
SERVER = "--selector=app.kubernetes.io/component=server"
"""The pods that roll, without that of the download Job."""

FULL = "amd-mi210-1"
"""One node with one GPU, as the preset declares."""

ROOMY = "nvidia-a10g-1"
"""Two nodes with one GPU each, as the preset declares."""

START_SECONDS = 15
MARGIN_SECONDS = 240.0
"""What a busy machine adds; Pulumi's default would wait for ten minutes."""

FILLER = """\
apiVersion: v1
kind: Pod
metadata: {name: filler, namespace: llm-filler}
spec:
  nodeSelector: {amd.com/gpu.product-name: AMD_Instinct_MI210}
  tolerations: [{operator: Exists}]
  containers:
  - {name: filler, image: "registry.example/filler:1", resources: {limits: {amd.com/gpu: "1"}}}
"""


@dataclass
class Watched:
    """What a watch has seen of pods, in the order of the API server.

    `most` is the largest number of pods at once that were not on their way out.
    """

    text: str = ""
    order: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    most: int = 0

    def read(self, known: frozenset[str]) -> None:
        """Turn the watch into steps: a pod, `old` or `new`, came, was ready, leaves or left."""
        decoder, at = json.JSONDecoder(), 0
        alive: set[str] = set()
        while start := self.text[at:].lstrip():
            at = len(self.text) - len(start)
            event, at = decoder.raw_decode(self.text, at)
            pod = event["object"]
            name = pod["metadata"]["name"]
            which = "old" if name in known else "new"
            alive.discard(name)
            if event["type"] == "DELETED":
                self._note(which, "left")
                continue
            self._note(which, "came")
            if pod["metadata"].get("deletionTimestamp"):
                self._note(which, "leaves")
                continue
            alive.add(name)
            self.most = max(self.most, len(alive))
            conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", [])}
            if conditions.get("Ready") == "True":
                self._note(which, "ready")

    def _note(self, which: str, step: str) -> None:
        if (which, step) not in self.order:
            self.order.append((which, step))

    def before(self, first: tuple[str, str], second: tuple[str, str]) -> bool:
        """Whether one step was seen before another."""
        return self.order.index(first) < self.order.index(second)


@dataclass(frozen=True, kw_only=True)
class Rolling:
    """A stack of one app, and its cluster."""

    project: PulumiProject
    sandbox: Sandbox

    def up(self, **keys: object) -> str:
        self.project.configure(**keys)
        return self.project.up()

    def pods(self) -> dict[str, dict[str, Any]]:
        found = self.sandbox.kubectl_json("get", "pods", f"--namespace={NAMESPACE}", SERVER)[
            "items"
        ]
        return {pod["metadata"]["name"]: pod for pod in found}

    def settled(self, count: int, after: frozenset[str] = frozenset()) -> frozenset[str]:
        """Names of the pods, once the rollout is over and those of before are gone."""
        self.sandbox.rolled_out("vllm", NAMESPACE)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            pods = self.pods()
            running = all(pod["status"]["phase"] == "Running" for pod in pods.values())
            if len(pods) == count and running and after.isdisjoint(pods):
                return frozenset(pods)
            time.sleep(0.2)
        raise AssertionError(f"not {count} Running pods: {self.pods()}")

    @contextmanager
    def watch(self, known: frozenset[str]) -> Generator[Watched]:
        """Watch the pods; what was seen until the block ends can be read then."""
        watched = Watched()
        command = [str(locate.program("kubectl")), f"--kubeconfig={self.sandbox.kubeconfig}"]
        command += ["get", "pods", f"--namespace={NAMESPACE}", SERVER, "--output=json"]
        with (
            NamedTemporaryFile() as seen,
            subprocess.Popen(
                [*command, "--watch", "--output-watch-events"], stdout=seen
            ) as process,
        ):
            try:
                text_with(Path(seen.name), known)
                yield watched
                # Whatever came before this mark has been seen once the mark has.
                mark = f"watched-until-{time.time_ns()}"
                self.sandbox.kubectl(
                    "label",
                    "pods",
                    f"--namespace={NAMESPACE}",
                    SERVER,
                    "--overwrite",
                    f"watched={mark}",
                )
                watched.text = text_with(Path(seen.name), [mark])
            finally:
                process.terminate()
        watched.read(known)


def text_with(file: Path, parts: Iterable[str]) -> str:
    """A watch's events, once the texts are among them and the last event is whole."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (text := file.read_text()).endswith("}\n") or any(p not in text for p in parts):
        assert time.monotonic() < deadline, parts
        time.sleep(0.1)
    return text


@pytest.fixture(scope="module")
def rolling(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rolling]:
    """The dev stack in a namespace of its own, without an autoscaler."""
    folder = tmp_path_factory.mktemp("rollout")
    project = PulumiProject(
        folder=folder / "checkout", backend=folder / "backend", kubeconfig=sandbox.kubeconfig
    )
    project.check_out(committed_stack_file("dev"))
    project.succeed("stack", "init", STACK)
    for key, value in (
        ("namespace", json.dumps({"name": NAMESPACE})),
        ("autoscaling", json.dumps({"enabled": False})),
    ):
        project.succeed("config", "set", key, value)
    yield Rolling(project=project, sandbox=sandbox)
    project.run("destroy", "--yes", "--skip-preview")


def test_on_a_full_pool_a_change_completes_and_the_old_pod_goes_first(rolling: Rolling) -> None:
    said = rolling.up(preset=FULL, replicas="1", maxModelLen="16384")
    assert "rollout: Recreate, the old pod first" in said
    old = rolling.settled(1)
    with rolling.watch(old) as watched:
        rolling.up(maxModelLen="8192")
        rolling.settled(1, after=old)
    assert watched.before(("old", "left"), ("new", "came"))
    assert watched.most == 1


def test_with_spare_capacity_a_new_pod_is_ready_before_the_old_one_leaves(rolling: Rolling) -> None:
    said = rolling.up(preset=ROOMY, replicas="1", maxModelLen="16384")
    assert "rollout: RollingUpdate, a new pod first" in said
    old = rolling.settled(1)
    with rolling.watch(old) as watched:
        rolling.up(maxModelLen="8192")
        rolling.settled(1, after=old)
    assert watched.before(("new", "ready"), ("old", "leaves"))
    assert watched.most == 2


def test_several_pods_on_a_full_pool_go_one_by_one(rolling: Rolling) -> None:
    said = rolling.up(preset=ROOMY, replicas="2", maxModelLen="16384")
    assert "rollout: RollingUpdate, one by one" in said
    old = rolling.settled(2)
    with rolling.watch(old) as watched:
        rolling.up(maxModelLen="8192")
        rolling.settled(2, after=old)
    assert watched.before(("old", "leaves"), ("new", "came"))
    assert watched.most == 2
    counts = "--output=jsonpath={.status.expectedPods} pods, {.status.disruptionsAllowed} may go"
    budget = ("get", "poddisruptionbudget", "vllm", f"--namespace={NAMESPACE}")
    rolling.sandbox.eventually("2 pods, 1 may go", *budget, counts)


def test_a_full_pool_ends_at_the_budget_with_the_scheduler_s_reason_and_the_pool(
    sandbox: Sandbox, tmp_path: Path, rolling: Rolling
) -> None:
    rolling.up(preset=ROOMY, replicas="1")
    project = PulumiProject(
        folder=tmp_path / "checkout", backend=tmp_path / "backend", kubeconfig=sandbox.kubeconfig
    )
    project.check_out(committed_stack_file("dev"))
    project.succeed("stack", "init", STACK)
    for key, value in (
        ("preset", FULL),
        ("namespace", '{"name": "llm-waiting"}'),
        # A download on a busy machine could use up the budget that the server is to run out of.
        ("cache", '{"enabled": false}'),
        ("rollout", json.dumps({"startSeconds": START_SECONDS})),
    ):
        project.succeed("config", "set", key, value)
    with sandbox.namespace("llm-filler"):
        sandbox.apply(FILLER)
        sandbox.eventually("Running", "get", "pod", "filler", "--namespace=llm-filler")
        began = time.monotonic()
        done = project.run("up", "--yes", "--skip-preview")
        seconds = time.monotonic() - began
        diagnosis = project.execute("python", "-m", "cluster", "diagnose", "--stack", STACK)
        project.succeed("destroy", "--yes", "--skip-preview")
    assert done.returncode != 0
    assert START_SECONDS < seconds < START_SECONDS + MARGIN_SECONDS
    assert "FailedScheduling" in diagnosis.stdout
    assert "Insufficient amd.com/gpu" in diagnosis.stdout
    assert "AMD_Instinct_MI210 (1 node of 1): matches, but has none free" in diagnosis.stdout
