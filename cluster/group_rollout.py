"""Whether a rollout of groups of pods is over, which the status of a LeaderWorkerSet cannot tell.

It names no generation, and the operator writes it last: until then it tells of the template before
(LeaderWorkerSet v0.7.0, leaderworkerset_controller.go). So what the operator has seen is told by
the revision of the template that it keeps, and the pods are counted here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from lightkube import Client, generic_resource
from lightkube.resources.apps_v1 import ControllerRevision, StatefulSet
from lightkube.resources.core_v1 import Pod
from lightkube.utils.quantity import parse_quantity

from cluster.objects import read_object, read_objects

_GENERIC = cast("Any", generic_resource)
_SET = _GENERIC.create_namespaced_resource(
    "leaderworkerset.x-k8s.io", "v1", "LeaderWorkerSet", "leaderworkersets"
)
_NAME = "leaderworkerset.sigs.k8s.io/name"
_GROUP = "leaderworkerset.sigs.k8s.io/group-index"
_REVISION = "leaderworkerset.sigs.k8s.io/template-revision-hash"
_QUANTITIES = ("limits", "requests", "sizeLimit")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedGroupRollout:
    """How far groups are replaced: `ready` of the `wanted` ones are of the latest template.

    A group is ready once each of its pods is. `is_seen` tells whether the operator has taken up the
    latest template.
    """

    is_seen: bool
    wanted: int
    ready: int

    @property
    def is_over(self) -> bool:
        """Whether every group is of the latest template and ready."""
        return self.is_seen and self.ready >= self.wanted

    @property
    def is_given_up(self) -> bool:
        """Whether the operator has given up, which it never does."""
        return False


def read_group_rollout(client: Client, namespace: str, name: str) -> ObservedGroupRollout | None:
    """Read how far a LeaderWorkerSet's rollout is; None where there is no such set."""
    found = read_object(client, _SET, name, namespace=namespace)
    if found is None:
        return None
    # The pods last: those of a revision that the leaders' StatefulSet already asks for.
    leaders = read_object(client, StatefulSet, name, namespace=namespace)
    of_set = {"namespace": namespace, "labels": {_NAME: name}}
    revisions = read_objects(client, ControllerRevision, **of_set)
    return observed_group_rollout(found, leaders, revisions, read_objects(client, Pod, **of_set))


def observed_group_rollout(
    group_set: dict[str, Any],
    leaders: dict[str, Any] | None,
    revisions: Iterable[dict[str, Any]],
    pods: Iterable[dict[str, Any]],
) -> ObservedGroupRollout:
    """Take from a LeaderWorkerSet and what its operator made what tells of its rollout.

    Args:
        group_set: the set.
        leaders: the StatefulSet of the groups' first pods, None where there is none yet.
        revisions: ControllerRevisions with the templates that the set has had.
        pods: of all groups.
    """
    spec = group_set["spec"]
    wanted, template = spec.get("replicas", 1), spec["leaderWorkerTemplate"]
    revision = None if leaders is None else _label(leaders, _REVISION)
    kept = _latest(revisions, owner=group_set["metadata"]["uid"], revision=revision)
    ready = Counter(
        _label(pod, _GROUP) for pod in pods if _label(pod, _REVISION) == revision and _is_ready(pod)
    )
    return ObservedGroupRollout(
        # The operator compares the same two to see whether the set has changed.
        is_seen=kept is not None and _meaning(_template(kept)) == _meaning(template),
        wanted=wanted,
        ready=sum(ready[str(index)] >= template.get("size", 1) for index in range(wanted)),
    )


def _latest(
    revisions: Iterable[dict[str, Any]], *, owner: str, revision: str | None
) -> dict[str, Any] | None:
    """Choose the latest of a revision's name; a set of the same name before had others."""
    of_name = [
        each
        for each in revisions
        if revision is not None
        and _label(each, _REVISION) == revision
        and owner in [owned["uid"] for owned in each["metadata"].get("ownerReferences") or ()]
    ]
    return max(of_name, key=lambda each: each["revision"], default=None)


def _template(revision: dict[str, Any]) -> dict[str, Any]:
    """Take the template from the patch that restores it."""
    template = revision["data"].get("spec", {}).get("leaderWorkerTemplate", {})
    return {key: value for key, value in template.items() if key != "$patch"}


def _meaning(value: object, *, is_quantity: bool = False) -> object:
    """Reduce a value to what the operator keeps of it: nothing empty, and quantities as numbers.

    It writes the template anew from Go's types, which leave out most of what is empty, give an
    empty creationTimestamp, and write 1024Mi as 1Gi.
    """
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        kept = {
            key: _meaning(field, is_quantity=is_quantity or key in _QUANTITIES)
            for key, field in fields.items()
        }
        return {key: field for key, field in kept.items() if field is not None} or None
    if isinstance(value, list):
        return [_meaning(each) for each in cast("list[Any]", value)] or None
    if is_quantity:
        return _number(str(value))
    return value or None


def _number(quantity: str) -> object:
    try:
        return parse_quantity(quantity)
    except ValueError:
        return quantity


def _is_ready(pod: dict[str, Any]) -> bool:
    """Whether a pod is ready and not on its way out."""
    conditions: list[dict[str, str]] = pod.get("status", {}).get("conditions") or []
    is_ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return is_ready and "deletionTimestamp" not in pod["metadata"]


def _label(found: dict[str, Any], name: str) -> str | None:
    labels: dict[str, str] = found["metadata"].get("labels") or {}
    return labels.get(name)
