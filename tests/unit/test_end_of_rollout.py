"""When a rollout counts as over, by the status that its controller writes, and who waits."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from cluster import end_of_rollout
from cluster.end_of_rollout import outlast_rollout
from cluster.rollout import observed_rollout
from tests.choices import planned, preset
from tests.unit.conftest import Kubeconfig, Proxy, Reply, reply

COMPLETE, GOING = "NewReplicaSetAvailable", "ReplicaSetUpdated"


def deployment(
    reason: str = COMPLETE, *, seen: int = 2, wanted: int = 1, **status: Any
) -> dict[str, Any]:
    conditions = [
        {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
        {"type": "Progressing", "status": "True", "reason": reason},
    ]
    return {
        "metadata": {"generation": 2},
        "spec": {"replicas": wanted},
        "status": {"observedGeneration": seen, "conditions": conditions, **status},
    }


@pytest.mark.parametrize(
    "over",
    [
        deployment(replicas=1, updatedReplicas=1),
        # Scaled up since, on a pool that is full.
        deployment(wanted=5, replicas=5, updatedReplicas=5, availableReplicas=3),
        deployment(wanted=0),
    ],
)
def test_a_rollout_is_over_once_all_pods_are_new_and_were_ready(over: dict[str, Any]) -> None:
    assert observed_rollout(over).is_over


@pytest.mark.parametrize(
    "going",
    [
        {"metadata": {"generation": 1}, "spec": {}},
        deployment(seen=1, replicas=1, updatedReplicas=1),
        # The old pod is still there, or has just gone; the conditions are still its own.
        deployment(replicas=1),
        deployment(),
        deployment(GOING, replicas=1, updatedReplicas=1),
        deployment("ProgressDeadlineExceeded", replicas=1, updatedReplicas=1),
        deployment(GOING, wanted=2, replicas=2, updatedReplicas=1),
    ],
)
def test_conditions_of_the_old_pods_do_not_end_a_rollout(going: dict[str, Any]) -> None:
    assert not observed_rollout(going).is_over


LATE = "ProgressDeadlineExceeded"


def test_a_controller_gives_up_what_it_has_begun_only() -> None:
    assert observed_rollout(deployment(LATE, replicas=1, updatedReplicas=1)).is_given_up
    # The old pod is still there, and the conditions are those of a rollout before.
    assert not observed_rollout(deployment(LATE, replicas=1)).is_given_up
    assert not observed_rollout(deployment(LATE, seen=1, replicas=1, updatedReplicas=1)).is_given_up
    assert not observed_rollout(deployment(GOING, replicas=1, updatedReplicas=1)).is_given_up


OVER = deployment(replicas=1, updatedReplicas=1)
UNDER_WAY = deployment(GOING, replicas=1, updatedReplicas=1)
GIVEN_UP = deployment(LATE, replicas=1, updatedReplicas=1)


def served(shown: dict[str, Any]) -> Reply:
    return reply({**shown, "spec": {**shown["spec"], "selector": {}, "template": {}}})


def outlast(proxy: Proxy, *answers: Reply, update_seconds: int = 3600) -> None:
    proxy.answers = answers
    plan = planned([preset("l4")], kubernetes={"context": "proxy"})
    plan = replace(plan, rollout=replace(plan.rollout, update_seconds=update_seconds))
    asyncio.run(outlast_rollout(plan, "proxy"))


@pytest.mark.usefixtures("kubeconfig")
@pytest.mark.parametrize(
    "meanwhile",
    [
        (502, "text/html", b"<html>"),
        reply({"kind": "Status", "message": "etcdserver: leader changed"}, 500),
        reply({"kind": "Status", "message": "too many requests"}, 429),
    ],
)
def test_an_error_that_passes_does_not_end_the_wait(
    proxy: Proxy, warned: list[str], meanwhile: Reply
) -> None:
    outlast(proxy, served(UNDER_WAY), meanwhile, served(UNDER_WAY), meanwhile, served(OVER))
    assert proxy.answers == (served(OVER),)
    assert warned == []


@pytest.mark.usefixtures("kubeconfig")
@pytest.mark.parametrize("status", [401, 403])
def test_who_may_not_read_the_deployment_is_told_that_nobody_waits(
    proxy: Proxy, warned: list[str], status: int
) -> None:
    outlast(proxy, reply({"kind": "Status"}, status), served(UNDER_WAY))
    assert proxy.answers == (served(UNDER_WAY),)
    (said,) = warned
    assert said.startswith(f"kubernetes.context: the API server answered {status}; ")


@pytest.mark.usefixtures("kubeconfig")
def test_a_cluster_that_falls_silent_ends_the_wait_with_a_warning(
    proxy: Proxy, warned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(end_of_rollout, "_SILENCE_SECONDS", 0.3)
    outlast(proxy, served(UNDER_WAY), (502, "text/html", b"<html>"))
    (said,) = warned
    assert "answered 502" in said
    assert "whether the rollout is over is not known" in said


def test_a_cluster_that_the_preflight_could_not_find_either_is_not_waited_for(
    kubeconfig: Kubeconfig, warned: list[str]
) -> None:
    kubeconfig(context="another")
    asyncio.run(outlast_rollout(planned([preset("l4")]), "proxy"))
    assert warned == []


FORBIDDEN = reply({"kind": "Status"}, 403)


@pytest.mark.usefixtures("kubeconfig", "warned")
def test_a_rollout_that_its_controller_gives_up_fails_although_nobody_may_read_why(
    proxy: Proxy,
) -> None:
    with pytest.raises(pulumi.RunError) as failed:
        outlast(proxy, served(UNDER_WAY), served(GIVEN_UP), FORBIDDEN)
    late, why = str(failed.value).splitlines()
    assert late.startswith("the rollout of 'vllm' is not over after ")
    assert why == "why is not known (the API server answered 403)"


@pytest.mark.usefixtures("kubeconfig", "warned")
def test_a_rollout_that_is_late_fails_although_the_cluster_falls_silent(proxy: Proxy) -> None:
    with pytest.raises(pulumi.RunError, match=r"is not over after 0 s:\nwhy is not known .* 502"):
        outlast(proxy, served(UNDER_WAY), (502, "text/html", b"<html>"), update_seconds=0)


@pytest.mark.usefixtures("kubeconfig")
def test_a_rollout_that_was_given_up_before_may_still_go_on(
    proxy: Proxy, warned: list[str]
) -> None:
    outlast(proxy, served(GIVEN_UP), served(GIVEN_UP), served(OVER))
    assert warned == []
