"""Whether a rollout is over, which Pulumi's provider does not wait for where old pods go first.

The provider takes a Deployment's conditions for those of the new pods as soon as its controller has
seen the change, and until the old pods are gone they still tell of the old ones (pulumi-kubernetes
v4.25, await/deployment.go; Kubernetes, deployment/recreate.go and progress.go).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lightkube import Client
from lightkube.resources.apps_v1 import Deployment

from cluster.objects import read_object

_COMPLETE = "NewReplicaSetAvailable"
_GIVEN_UP = "ProgressDeadlineExceeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedRollout:
    """A Deployment's status; `updated` of its `replicas` are of the latest template.

    `is_complete` is the verdict of its controller, which scaling alone does not change, and so is
    `is_late`: no pod has become ready for `progressDeadlineSeconds`.
    """

    is_seen: bool
    wanted: int
    replicas: int
    updated: int
    is_complete: bool
    is_late: bool

    @property
    def is_over(self) -> bool:
        """Whether no pod is left to be replaced, and those that replaced the others were ready."""
        if not self.is_seen:
            return False
        return self.wanted == 0 or (0 < self.updated == self.replicas and self.is_complete)

    @property
    def is_given_up(self) -> bool:
        """Whether its controller has given up the latest template.

        Until the first pod of a template is there, the conditions tell of the one before.
        """
        return self.is_seen and self.is_late and self.updated > 0


def read_rollout(client: Client, namespace: str, name: str) -> ObservedRollout | None:
    """Read how far a Deployment's rollout is; None where there is no such Deployment."""
    found = read_object(client, Deployment, name, namespace=namespace)
    return None if found is None else observed_rollout(found)


def observed_rollout(deployment: dict[str, Any]) -> ObservedRollout:
    """Take from a Deployment what tells of its rollout."""
    status: dict[str, Any] = deployment.get("status") or {}
    conditions: list[dict[str, Any]] = status.get("conditions") or []
    reasons = [each.get("reason") for each in conditions]
    return ObservedRollout(
        is_seen=status.get("observedGeneration", 0) >= deployment["metadata"]["generation"],
        wanted=deployment["spec"].get("replicas", 1),
        replicas=status.get("replicas", 0),
        updated=status.get("updatedReplicas", 0),
        is_complete=_COMPLETE in reasons,
        is_late=_GIVEN_UP in reasons,
    )
