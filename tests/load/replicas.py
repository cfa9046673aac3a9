"""The count of replicas of a Deployment over time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import httpx2
from lightkube import Client, KubeConfig
from lightkube.core.exceptions import ApiError
from lightkube.resources.apps_v1 import Deployment

from sandbox.state import CONTEXT
from tests.load.background import Background

_STEP_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Replicas that are asked for and that are ready, at a time in s since the epoch."""

    at: float
    desired: int
    ready: int


class ReplicaWatch(Background):
    """Reads a Deployment five times a second; an API server that is away leaves a gap."""

    def __init__(self, kubeconfig: Path, namespace: str, name: str = "vllm") -> None:
        super().__init__()
        self.counts: list[Count] = []
        self._client = Client(
            KubeConfig.from_file(kubeconfig).get(CONTEXT), timeout=httpx2.Timeout(5.0)
        )
        self._namespace, self._name = namespace, name

    def work(self) -> None:
        """Read until the end."""
        while not self.ended.wait(_STEP_SECONDS):
            try:
                found = self._client.get(Deployment, self._name, namespace=self._namespace)
            except (ApiError, httpx2.HTTPError):
                continue
            desired = (found.spec and found.spec.replicas) or 0
            ready = (found.status and found.status.readyReplicas) or 0
            self.counts.append(Count(at=time.time(), desired=desired, ready=ready))

    def between(self, began: float, ended: float) -> list[Count]:
        """What was seen from one time to another, in s since the epoch."""
        return [count for count in self.counts if began <= count.at <= ended]

    def until(self, replicas: int, *, since: float, patience_seconds: float) -> float:
        """Wait until so many are desired and ready, and return the s since then to the desire.

        Args:
            replicas: that are waited for.
            since: when the wait began, in s since the epoch; earlier counts do not matter.
            patience_seconds: after which it fails.

        Raises:
            AssertionError: they did not come in time.
        """
        while True:
            counts = self.between(since, time.time())
            for first in (count for count in counts if count.desired == replicas):
                if any(c.at >= first.at and c.desired == c.ready == replicas for c in counts):
                    return first.at - since
                break
            assert time.time() < since + patience_seconds, (
                f"not {replicas} replicas after {patience_seconds} s: {self.steps(since)}"
            )
            time.sleep(_STEP_SECONDS)

    def steps(self, since: float) -> str:
        """Each change of the desired count, with its s since a time: `1 at 0.0, 5 at 9.2`."""
        said: list[str] = []
        previous: int | None = None
        for count in self.between(since, time.time()):
            if count.desired != previous:
                said.append(f"{count.desired} at {count.at - since:.1f}")
            previous = count.desired
        return ", ".join(said)
