"""What the download Job fetches, where it runs, how long it may take, and when there is none."""

import re
from typing import Any

import pytest

from cluster.volume import held_placement
from planning.download import KEPT_SECONDS, Download, plan_download, with_held_placements
from planning.errors import PlanError
from planning.plan import HeldPlacement, Plan
from planning.rollout import start_budget
from tests.choices import only, planned, preset

POOL = {
    "nodeSelector": {"gpu": "l4"},
    "tolerations": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}],
}
L4 = [preset("l4", pool=POOL)]
AMD_POOL = {
    "nodeSelector": {"gpu": "mi300x"},
    "tolerations": [{"key": "amd.com/gpu", "effect": "NoSchedule"}],
}
POOLS = [*L4, preset("mi300x", pool=AMD_POOL)]
SHARED = {"accessMode": "ReadWriteMany"}
NFS = {"storage": "nfs", "server": "files", "path": "/models"}
COMMIT, OTHER = "a" * 40, "b" * 40
CANONICAL_QUANTITY = re.compile(r"[1-9]\d*(m|Gi)")
LONGEST = 63
PULUMI_ADDS = 9


def download(**keys: Any) -> Download:
    found = plan_download(planned(L4, **keys))
    assert found is not None
    return found


def test_it_fetches_the_planned_weight_format_at_the_planned_commit() -> None:
    args = download(revision=COMMIT).args
    assert args == (
        *("--model", "mistralai/Mistral-7B-Instruct-v0.3"),
        *("--revision", COMMIT),
        *("--weight-format", "mistral"),
    )


def test_the_name_changes_with_what_is_fetched_and_where_to_alone() -> None:
    first = download(revision=COMMIT)
    same = download(revision=COMMIT, maxModelLen=8192, replicas=1, cache={"prune": True})
    assert same.name == first.name
    others = [
        download(revision=OTHER),
        download(revision=COMMIT, model="voxtral-mini-3b"),
        download(revision=COMMIT, cache=NFS),
        download(revision=COMMIT, cache={"storage": "existingClaim", "claimName": "old"}),
    ]
    names = {first.name, *(other.name for other in others)}
    assert len(names) == len(others) + 1


@pytest.mark.parametrize("app", ["a", "a" * 40, f"{'a' * 35}-b-c"])
def test_a_job_s_name_fits_into_a_label(app: str) -> None:
    name = download(name=app).name
    assert len(name) + PULUMI_ADDS <= LONGEST
    assert re.fullmatch(r"a[-a-z0-9]*-download-[0-9a-f]{8}", name)
    assert "--" not in name


@pytest.mark.parametrize(
    ("cache", "has_one"),
    [
        ({}, True),
        ({"storage": "existingClaim", "claimName": "models"}, True),
        (NFS, True),
        ({"storage": "apolo", "cluster": "c", "org": "o", "project": "p"}, True),
        ({"storage": "hostPath", "path": "/models"}, False),
        ({"enabled": False}, False),
    ],
)
def test_the_server_starts_offline_exactly_where_a_job_has_been(
    cache: dict[str, object], has_one: bool
) -> None:
    plan = planned(L4, cache=cache)
    assert (plan_download(plan) is not None) == has_one
    assert (dict(plan.server.env).get("HF_HUB_OFFLINE") == "1") == has_one
    assert (plan.start.download_seconds == 0) == has_one


def test_the_job_itself_is_not_offline_and_has_the_variables_of_a_transfer() -> None:
    variables = {
        "HF_ENDPOINT": "http://mirror",
        "HTTPS_PROXY": "http://proxy",
        "VLLM_LOGGING_LEVEL": "DEBUG",
    }
    assert dict(download(extraEnv=variables).env) == {
        "HF_ENDPOINT": "http://mirror",
        "HF_HOME": "/models",
        "HOME": "/home/vllm",
        "HTTPS_PROXY": "http://proxy",
    }


@pytest.mark.parametrize("cache", [{}, {"storage": "existingClaim", "claimName": "models"}])
def test_a_volume_of_one_node_is_filled_on_the_pool_of_the_server(cache: dict[str, object]) -> None:
    found = download(cache=cache)
    assert found.beside_server
    assert found.node_selector == (("gpu", "l4"),)
    assert [toleration.key for toleration in found.tolerations] == ["nvidia.com/gpu"]


def held(plan: Plan) -> HeldPlacement:
    """The server of a plan, as the cluster holds it."""
    found = plan.placement
    return HeldPlacement(
        node_selector=found.node_selector,
        node_affinity=found.node_affinity,
        tolerations=found.tolerations,
    )


def job(plan: Plan) -> HeldPlacement:
    """The download Job of a plan, as the cluster holds it."""
    found = plan_download(plan)
    assert found is not None
    return HeldPlacement(
        node_selector=found.node_selector,
        node_affinity=found.node_affinity,
        tolerations=found.tolerations,
    )


def test_the_job_follows_a_server_that_runs_in_another_pool_and_stays_the_same_after_the_move() -> (
    None
):
    on_l4, on_amd = (planned(POOLS, preset=name) for name in ("l4-1", "mi300x-1"))
    moving = with_held_placements(on_amd, held(on_l4), [job(on_l4)])
    assert job(moving).node_selector == ()
    assert {toleration.key for toleration in job(moving).tolerations} == {
        "nvidia.com/gpu",
        "amd.com/gpu",
    }
    moved = with_held_placements(on_amd, held(on_amd), [job(moving)])
    back = with_held_placements(on_l4, held(on_amd), [job(moved)])
    stayed = with_held_placements(on_l4, held(on_l4), [job(back)])
    assert job(moved) == job(back) == job(stayed) == job(moving)


def test_the_job_stays_in_the_planned_pool_where_no_server_has_been_in_another() -> None:
    plan = planned(POOLS, preset="l4-1")
    elsewhere = job(planned(POOLS, preset="mi300x-1"))
    for server, jobs in ((None, []), (None, [elsewhere]), (held(plan), [job(plan)])):
        assert with_held_placements(plan, server, jobs) == plan


def test_a_pool_that_left_the_presets_with_the_move_is_tolerated_while_the_server_is_there() -> (
    None
):
    before, after = planned(L4), planned([preset("mi300x", pool=AMD_POOL)])
    moving = with_held_placements(after, held(before), [job(before)])
    assert "nvidia.com/gpu" in {toleration.key for toleration in job(moving).tolerations}


def test_where_the_volume_is_shared_no_server_is_followed() -> None:
    here, there = (planned(POOLS, preset=name, cache=SHARED) for name in ("l4-1", "mi300x-1"))
    assert with_held_placements(there, held(here), []) == there


def test_a_workload_of_the_cluster_is_placed_as_its_template_says() -> None:
    pools = [{"nodeSelector": {"pool": name, "gpu": "l4"}} for name in "ab"]
    toleration = {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}
    terms = [
        {"matchExpressions": [{"key": k, "operator": "In", "values": [v]} for k, v in pool.items()]}
        for pool in (pool["nodeSelector"] for pool in pools)
    ]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    spec = {"affinity": {"nodeAffinity": required}, "tolerations": [toleration]}
    several = planned([preset("l4", pools=pools)], tolerations=(toleration,))
    assert held_placement({"spec": {"template": {"spec": spec}}}) == held(several)
    single = {"nodeSelector": {"gpu": "l4"}, "tolerations": POOL["tolerations"]}
    found = held_placement({"spec": {"template": {"spec": single}}})
    assert found.node_selector == planned(L4).placement.node_selector


@pytest.mark.parametrize("cache", [SHARED, NFS])
def test_on_a_shared_volume_the_job_keeps_the_stack_s_own_selector_and_tolerations(
    cache: dict[str, object],
) -> None:
    own = {"key": "team", "operator": "Exists"}
    found = download(cache=cache, nodeSelector={"zone": "a"}, tolerations=(own,))
    assert found.node_selector == (("zone", "a"),)
    assert [toleration.key for toleration in found.tolerations] == ["team"]


@pytest.mark.parametrize("cache", [SHARED, NFS])
def test_a_shared_volume_is_filled_on_any_node_without_the_taint_of_gpus(
    cache: dict[str, object],
) -> None:
    found = download(cache=cache)
    assert not found.beside_server
    assert found.node_selector == ()
    assert found.tolerations == ()


def test_the_deadline_covers_the_image_and_the_download_twice() -> None:
    plan = planned(L4)
    alone = start_budget(plan.cache.files_bytes, override=None)
    assert download().deadline_seconds == alone.image_seconds + 2 * alone.download_seconds
    assert download(rollout={"downloadSeconds": 45}).deadline_seconds == 45
    assert KEPT_SECONDS > 0


def test_the_download_and_the_start_of_a_pod_have_limits_of_their_own() -> None:
    usual = planned(L4)
    start = planned(L4, rollout={"startSeconds": 45})
    assert start.start.seconds == 45
    assert plan_download(start) == plan_download(usual)
    assert planned(L4, rollout={"downloadSeconds": 45}).start == usual.start


@pytest.mark.parametrize("cache", [{"enabled": False}, {"storage": "hostPath", "path": "/models"}])
def test_time_for_a_download_job_is_refused_where_there_is_none(cache: dict[str, object]) -> None:
    with pytest.raises(PlanError) as refused:
        planned(L4, cache=cache, rollout={"downloadSeconds": 900})
    assert only(refused.value.mistakes).key == "rollout.downloadSeconds"
    alone = planned(L4, cache=cache, rollout={"startSeconds": 900})
    assert alone.start.seconds == 900


GPT_OSS = {"model": "openai/gpt-oss-120b"}
H100 = [preset("h100-80", 2)]
VOCABULARY = "TIKTOKEN_ENCODINGS_BASE"


@pytest.mark.parametrize("cache", [{}, NFS])
def test_a_server_that_cannot_download_its_vocabulary_finds_it_where_the_job_puts_it(
    cache: dict[str, object],
) -> None:
    plan = planned(H100, cache=cache, **GPT_OSS)
    found = plan_download(plan)
    assert found is not None
    assert "--harmony" in found.args
    assert dict(plan.server.env)[VOCABULARY] == "/models/encodings"
    assert dict(found.env)["HF_HOME"] == "/models"
    assert "--harmony" not in download(cache=cache).args
    assert VOCABULARY not in dict(planned(L4, cache=cache).server.env)


def test_a_vocabulary_that_the_stack_brings_is_left_alone() -> None:
    plan = planned(H100, extraEnv={VOCABULARY: "/opt/encodings"}, **GPT_OSS)
    found = plan_download(plan)
    assert found is not None
    assert "--harmony" not in found.args
    assert dict(plan.server.env)[VOCABULARY] == "/opt/encodings"
    assert not [warning for warning in plan.warnings if VOCABULARY in warning]


def test_a_server_that_downloads_by_itself_finds_the_vocabulary_as_well() -> None:
    plan = planned(H100, cache={"enabled": False}, **GPT_OSS)
    assert VOCABULARY not in dict(plan.server.env)


def test_pruning_is_opt_in() -> None:
    assert "--prune" not in download().args
    assert download(cache={"prune": True}).args[-1] == "--prune"


@pytest.mark.parametrize(
    ("cache", "removes"),
    [({}, True), ({"storage": "existingClaim", "claimName": "models"}, False), (NFS, False)],
)
def test_other_models_are_removed_from_a_volume_of_the_app_s_own_alone(
    cache: dict[str, object], removes: bool
) -> None:
    assert ("--prune-models" in download(cache={**cache, "prune": True}).args) == removes
    assert "--prune-models" not in download(cache=cache).args


def test_quantities_are_canonical() -> None:
    found = download()
    for quantity in (found.cpu, found.memory, found.memory_limit):
        assert CANONICAL_QUANTITY.fullmatch(quantity)
