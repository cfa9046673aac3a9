"""When a rollout of groups counts as over, by what the operator writes, and who waits for it."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from cluster.end_of_rollout import outlast_rollout
from cluster.group_rollout import ObservedGroupRollout, observed_group_rollout
from planning.plan import Plan
from tests.choices import planned, preset
from tests.unit.conftest import Proxy, Reply, reply

OLD, NEW = "5d6756968f", "7cf5dd5988"
GROUP = "leaderworkerset.sigs.k8s.io/group-index"
REVISION = "leaderworkerset.sigs.k8s.io/template-revision-hash"


def template(length: str = "8192", **of_pod: Any) -> dict[str, Any]:
    """As Pulumi applies it."""
    container = {
        "name": "vllm",
        "args": ["--max-model-len", length, ""],
        "env": [{"name": "EMPTY", "value": ""}],
        "resources": {"limits": {"memory": "1024Gi", "nvidia.com/gpu": 8}},
        "livenessProbe": {"httpGet": {"path": "/health", "port": "http"}, "initialDelaySeconds": 0},
    }
    volume = {"name": "tmp", "emptyDir": {"sizeLimit": "0.5Gi"}}
    pod = {"containers": [container], "volumes": [volume], "hostNetwork": False, **of_pod}
    return {"size": 2, "leaderTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": pod}}


def kept(of_set: dict[str, Any]) -> dict[str, Any]:
    """Make of a template what the operator keeps of it, by Go's types (recorded of v0.7.0)."""
    made = deepcopy(of_set)
    made["$patch"] = "replace"
    leader = made["leaderTemplate"]
    leader["metadata"]["creationTimestamp"] = None
    del leader["spec"]["hostNetwork"]
    leader["spec"]["volumes"][0]["emptyDir"]["sizeLimit"] = "512Mi"
    (container,) = leader["spec"]["containers"]
    container["env"] = [{"name": "EMPTY"}]
    container["resources"]["limits"] = {"memory": "1Ti", "nvidia.com/gpu": "8"}
    del container["livenessProbe"]["initialDelaySeconds"]
    return made


def revision(
    name: str, of_set: dict[str, Any], *, number: int = 1, owner: str = "ours"
) -> dict[str, Any]:
    network = {"$patch": "replace", "subdomainPolicy": "Shared"}
    kind = {"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet"}
    reference = {**kind, "name": "vllm-group", "uid": owner}
    return {
        "metadata": {"labels": {REVISION: name}, "ownerReferences": [reference]},
        "revision": number,
        "data": {"spec": {"leaderWorkerTemplate": kept(of_set), "networkConfig": network}},
    }


def group_set(of_set: dict[str, Any], *, replicas: int = 2) -> dict[str, Any]:
    spec = {"replicas": replicas, "leaderWorkerTemplate": of_set}
    return {"metadata": {"uid": "ours"}, "spec": spec}


def leaders(name: str) -> dict[str, Any]:
    return {"metadata": {"labels": {REVISION: name}}}


def pod(group: int, name: str, *, ready: bool = True, **metadata: str) -> dict[str, Any]:
    return {
        "metadata": {"labels": {GROUP: str(group), REVISION: name}, **metadata},
        "status": {"conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def pods(*names: str) -> list[dict[str, Any]]:
    """Two ready pods of each group, by the revision that it is of."""
    return [pod(group, name) for group, name in enumerate(names) for _ in range(2)]


BEFORE, AFTER = revision(OLD, template()), revision(NEW, template("4096"), number=2)


def observed(
    *of_groups: dict[str, Any],
    of: str = NEW,
    revisions: tuple[dict[str, Any], ...] = (BEFORE, AFTER),
    replicas: int = 2,
) -> ObservedGroupRollout:
    changed = group_set(template("4096"), replicas=replicas)
    return observed_group_rollout(changed, leaders(of), revisions, of_groups)


def test_a_rollout_is_over_once_every_pod_of_every_group_is_new_and_ready() -> None:
    assert observed(*pods(NEW, NEW)).is_over
    # The operator deletes the revisions before once it is done.
    assert observed(*pods(NEW, NEW), revisions=(AFTER,)).is_over
    # A group beside the others is on its way out, or not asked for any more.
    assert observed(*pods(NEW, NEW, OLD)).is_over
    assert observed(replicas=0).is_over


@pytest.mark.parametrize(
    "going",
    [
        pods(OLD, OLD),
        pods(OLD, NEW),
        pods(NEW),
        [*pods(NEW), pod(1, NEW)],
        [*pods(NEW), pod(1, NEW), pod(1, NEW, ready=False)],
        [*pods(NEW), pod(1, NEW), pod(1, NEW, deletionTimestamp="2026-11-29T10:00:00Z")],
        # Workers of the group before, whose leader has been replaced already.
        [*pods(NEW), pod(1, NEW), pod(1, OLD)],
        # Two groups, but of those that are wanted one only.
        [*pods(NEW), pod(2, NEW), pod(2, NEW)],
    ],
)
def test_a_group_that_lacks_a_new_pod_or_whose_pod_is_not_ready_keeps_it_going(
    going: list[dict[str, Any]],
) -> None:
    found = observed(*going)
    assert found.is_seen
    assert not found.is_over


def test_ready_groups_of_the_template_before_do_not_end_a_rollout_that_is_not_seen() -> None:
    for revisions in ((BEFORE,), (BEFORE, AFTER)):
        found = observed(*pods(OLD, OLD), of=OLD, revisions=revisions)
        assert not found.is_seen
        assert not found.is_over
    # Its revision is gone since: the answers are of different moments.
    assert not observed(*pods(OLD, OLD), of=OLD, revisions=(AFTER,)).is_seen


def test_a_set_without_its_leaders_stateful_set_is_not_seen() -> None:
    new = group_set(template(), replicas=0)
    assert not observed_group_rollout(new, None, [], []).is_over


def test_a_way_back_before_the_end_is_told_by_the_revision_that_the_groups_are_to_have() -> None:
    back = group_set(template())
    again = revision(OLD, template(), number=3)
    seen = observed_group_rollout(
        back, leaders(OLD), [again, BEFORE, AFTER], [*pods(OLD), *pods(NEW, NEW)[2:]]
    )
    assert seen.is_seen
    assert not seen.is_over
    unseen = observed_group_rollout(back, leaders(NEW), [BEFORE, AFTER], pods(OLD, OLD))
    assert not unseen.is_seen


def test_a_revision_of_a_set_of_the_same_name_before_tells_nothing() -> None:
    foreign = revision(NEW, template("4096"), owner="another")
    assert not observed(*pods(NEW, NEW), revisions=(foreign,)).is_seen
    foreign = revision(NEW, template(), number=9, owner="another")
    assert observed(*pods(NEW, NEW), revisions=(foreign, AFTER)).is_seen


@pytest.mark.parametrize(
    "change",
    [
        {"hostNetwork": True},
        {"volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}]},
        {"nodeSelector": {"a": "b"}},
        {"containers": []},
    ],
)
def test_another_value_of_the_template_is_not_what_the_operator_has_kept(
    change: dict[str, Any],
) -> None:
    changed = group_set(template(**change))
    found = observed_group_rollout(changed, leaders(OLD), [BEFORE], pods(OLD, OLD))
    assert not found.is_seen


def test_a_revision_in_a_form_that_is_not_known_is_not_seen() -> None:
    unknown: dict[str, Any] = BEFORE | {"data": {}}
    same = group_set(template())
    assert not observed_group_rollout(same, leaders(OLD), [unknown], pods(OLD, OLD)).is_seen


def listed(*items: dict[str, Any]) -> Reply:
    return reply({"metadata": {}, "items": list(items)})


def answers(of: str, revisions: list[dict[str, Any]], of_pods: list[dict[str, Any]]) -> list[Reply]:
    """What the API server says of the set, its StatefulSet, its revisions and its pods."""
    of_pod: dict[str, Any] = {"spec": {"containers": []}}
    made: dict[str, Any] = {
        **leaders(of),
        "spec": {"selector": {}, "serviceName": "vllm", "template": {}},
    }
    return [
        reply(group_set(template("4096"))),
        reply(made),
        listed(*revisions),
        listed(*(each | of_pod for each in of_pods)),
    ]


UNSEEN = answers(OLD, [BEFORE], pods(OLD, OLD))
UNDER_WAY = answers(NEW, [BEFORE, AFTER], pods(OLD, NEW))
OVER = answers(NEW, [AFTER], pods(NEW, NEW))


def grouped(update_seconds: int = 3600) -> Plan:
    """A plan over two nodes."""
    plan = planned([preset("l4")], kubernetes={"context": "proxy"})
    return replace(
        plan,
        placement=replace(plan.placement, nodes=2),
        rollout=replace(plan.rollout, update_seconds=update_seconds),
    )


def outlast(proxy: Proxy, *answers: Reply, update_seconds: int = 3600) -> None:
    proxy.answers = answers
    asyncio.run(outlast_rollout(grouped(update_seconds), "proxy"))


@pytest.mark.usefixtures("kubeconfig")
def test_groups_are_waited_for_until_the_last_is_replaced(proxy: Proxy, warned: list[str]) -> None:
    outlast(proxy, *UNSEEN, *UNDER_WAY, *OVER)
    assert proxy.answers == (OVER[-1],)
    assert warned == []


@pytest.mark.usefixtures("kubeconfig")
@pytest.mark.parametrize("kind", range(4))
def test_who_may_not_read_a_set_or_what_is_made_of_it_is_told_that_nobody_waits(
    proxy: Proxy, warned: list[str], kind: int
) -> None:
    outlast(proxy, *UNDER_WAY, *UNDER_WAY[:kind], reply({"kind": "Status"}, 403))
    (said,) = warned
    doubt = "whether the rollout is over is not known"
    assert said == f"kubernetes.context: the API server answered 403; {doubt}"


@pytest.mark.usefixtures("kubeconfig", "warned")
def test_groups_that_the_operator_does_not_take_up_in_time_fail_with_that_reason(
    proxy: Proxy,
) -> None:
    with pytest.raises(pulumi.RunError) as failed:
        outlast(proxy, *UNSEEN, reply({"kind": "Status"}, 403), update_seconds=0)
    assert str(failed.value).splitlines() == [
        "the rollout of 'vllm' is not over after 0 s:",
        "its controller has not seen the change",
        "why is not known (the API server answered 403)",
    ]


@pytest.mark.usefixtures("kubeconfig")
def test_a_set_that_is_not_there_is_not_waited_for(proxy: Proxy, warned: list[str]) -> None:
    outlast(proxy, reply({"kind": "Status"}, 404))
    assert warned == []
