"""Where the model's files are kept: what each storage takes, and what a claim goes on with."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.loader import find_model
from planning.cache import cache_size, with_held_claim, with_mounted_claim
from planning.download import plan_download
from planning.errors import PlanError
from planning.explain import preview_lines
from planning.plan import Plan
from planning.rollout import image_seconds
from planning.stack import make_plan
from planning.units import GIB, amount
from planning.volumes import CsiVolume, HeldClaim, HostPathVolume, NfsVolume
from settings.parse import parse
from tests.choices import planned, preset, stack_settings

PRESET = {"name": "l4", "vendor": "nvidia", "product": "l4", "gpus": 1, "cpu": "4", "memory": "8Gi"}
STORAGES: dict[str, dict[str, Any]] = {
    "pvc": {"size": "50Gi", "storageClass": "fast", "adopt": True},
    "existingClaim": {"claimName": "models"},
    "hostPath": {"path": "/mnt/models"},
    "nfs": {"server": "nas.example.com", "path": "/models"},
    "csi": {"driver": "files.example.com", "volumeAttributes": {"share": "models"}},
    "apolo": {"cluster": "novoserve", "org": "acme", "project": "chat"},
    "none": {"size": "50Gi"},
}


def mistakes(**cache: object) -> list[str]:
    raw = {
        "model": "mistral-7b-instruct",
        "presets": json.dumps([PRESET]),
        "kubernetes": '{"context": "sandbox"}',
        "ingress": '{"enabled": false}',
        "cache": json.dumps(cache),
    }
    return [str(mistake) for mistake in parse(raw, secret=frozenset()).mistakes]


def plan(storage: str, **keys: object) -> Plan:
    cache = {"storage": storage, **STORAGES[storage]}
    return planned([preset("l4")], stack="prod", cache=cache, **keys)


def held(**changed: Any) -> HeldClaim:
    values: dict[str, Any] = {
        "name": "vllm-cache",
        "size": "100Gi",
        "size_bytes": 100 * GIB,
        "storage_class": "standard",
        "access_modes": ("ReadWriteOnce",),
        "stack": "prod",
        "retain": True,
    }
    return HeldClaim(**values | changed)


@pytest.mark.parametrize("storage", STORAGES)
def test_each_storage_takes_its_own_keys(storage: str) -> None:
    assert mistakes(storage=storage, **STORAGES[storage]) == []


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("other", STORAGES)
def test_a_key_of_another_storage_is_refused_with_its_owner(storage: str, other: str) -> None:
    keys = STORAGES[storage] | STORAGES[other]
    refused = {line.partition(":")[0] for line in mistakes(storage=storage, **keys)}
    assert refused == {f"cache.{key}" for key in STORAGES[other] if key not in STORAGES[storage]}


def test_the_refusal_names_the_storage_that_takes_the_key() -> None:
    (line,) = mistakes(storage="nfs", server="nas", path="/models", size="50Gi")
    assert line == (
        "cache.size: is no key of the storage 'nfs'; it belongs to pvc and none; 'nfs' takes "
        "server, path, prune; remove it, or set cache.storage to pvc or none"
    )


@pytest.mark.parametrize(
    ("storage", "missing"),
    [
        ("existingClaim", ["claimName"]),
        ("hostPath", ["path"]),
        ("nfs", ["path", "server"]),
        ("csi", ["driver"]),
        ("apolo", ["cluster", "org", "project"]),
    ],
)
def test_what_a_storage_needs_is_asked_for(storage: str, missing: list[str]) -> None:
    lines = mistakes(storage=storage)
    assert [line.partition(":")[0] for line in lines] == [f"cache.{key}" for key in missing]
    assert all("is missing" in line for line in lines)


def test_a_relative_path_is_refused() -> None:
    assert "absolute path" in mistakes(storage="hostPath", path="models/../../etc")[0]


def test_an_absent_cache_is_the_storage_none() -> None:
    assert planned([preset("l4")], cache={"enabled": False}).cache.storage == "none"


def test_what_a_pod_mounts_follows_from_the_storage() -> None:
    volumes = {storage: plan(storage).cache.volume for storage in STORAGES}
    assert volumes == {
        "pvc": None,
        "existingClaim": None,
        "hostPath": HostPathVolume(path="/mnt/models"),
        "nfs": NfsVolume(server="nas.example.com", path="/models"),
        "csi": CsiVolume(driver="files.example.com", attributes=(("share", "models"),)),
        "apolo": None,
        "none": None,
    }
    claims = {storage: plan(storage).cache.claim for storage in STORAGES}
    assert {storage: claim for storage, claim in claims.items() if claim} == {
        "pvc": "vllm-cache",
        "existingClaim": "models",
    }


def test_the_platform_is_told_what_to_mount_where() -> None:
    cache = plan("apolo").cache
    assert dict(cache.pod_labels) == {
        "platform.apolo.us/inject-storage": "true",
        "platform.apolo.us/org": "acme",
        "platform.apolo.us/project": "chat",
    }
    ((key, value),) = cache.pod_annotations
    assert key == "platform.apolo.us/inject-storage"
    assert json.loads(value) == [
        {
            "storage_uri": "storage://novoserve/acme/chat/llm_bundles",
            "mount_path": "/models",
            "mount_mode": "rw",
        }
    ]


@pytest.mark.parametrize("storage", STORAGES)
def test_a_level_below_restricted_is_explained_in_the_preview(storage: str) -> None:
    expected = {"hostPath": "privileged", "nfs": "baseline", "apolo": "baseline"}
    made = plan(storage)
    assert made.cache.pod_security.level == expected.get(storage, "restricted")
    said = [line for line in made.warnings if line.startswith("cache.storage:")]
    assert bool(said) == (made.cache.pod_security.level != "restricted")
    assert all(made.cache.pod_security.level in line and "namespace llm" in line for line in said)
    assert f"({made.cache.pod_security.level}); cache: {storage}" in " ".join(preview_lines(made))


def test_a_limit_below_the_model_is_refused_where_it_would_evict_every_pod() -> None:
    with pytest.raises(PlanError) as refused:
        planned([preset("l4")], cache={"storage": "none", "size": "5Gi"})
    (mistake,) = refused.value.mistakes
    assert str(mistake).startswith("cache.size: 5Gi is less than the 13.5 GiB of the model's files")
    assert planned([preset("l4")], cache={"enabled": False, "size": "14Gi"}).cache.size == "14Gi"


def of_double_files(**keys: object) -> Plan:
    """The plan of a model whose files are twice what is loaded, as in float32."""
    known = find_model("mistral-7b-instruct")
    model = replace(known, files_bytes=2 * known.weights_bytes)
    return make_plan(stack_settings([preset("l4")], **keys), stack="dev", model=model)


def test_a_model_s_files_decide_the_size_of_its_cache_and_the_time_of_its_download() -> None:
    usual, double = planned([preset("l4")]), of_double_files()
    assert (usual.cache.size, double.cache.size) == ("30Gi", "60Gi")
    waits = [found.deadline_seconds for plan in (usual, double) if (found := plan_download(plan))]
    usual_seconds, double_seconds = (seconds - image_seconds() for seconds in waits)
    assert double_seconds == pytest.approx(2 * usual_seconds, abs=2)
    none: dict[str, object] = {"enabled": False}
    pods = [
        plan.start for plan in (planned([preset("l4")], cache=none), of_double_files(cache=none))
    ]
    assert pods[1].download_seconds == pytest.approx(2 * pods[0].download_seconds, abs=2)
    assert double.model.weights_gib == usual.model.weights_gib
    with pytest.raises(PlanError, match=r"20Gi is less than the 27\.0 GiB of the model's files"):
        of_double_files(cache={"enabled": False, "size": "20Gi"})


@pytest.mark.parametrize(
    ("quantity", "number"),
    [("8", 8), ("500m", 0.5), ("32Gi", 32 * GIB), ("2Ti", 2048 * GIB), ("3M", 3e6), ("4Ki", 4096)],
)
def test_a_quantity_is_read_as_kubernetes_reads_it(quantity: str, number: float) -> None:
    assert amount(quantity) == number


@pytest.mark.parametrize(
    ("key", "cache"),
    [
        ("claimName", {"storage": "existingClaim", "claimName": ""}),
        ("claimName", {"storage": "existingClaim", "claimName": "My Claim"}),
        ("server", {"storage": "nfs", "server": " ", "path": "/models"}),
        ("driver", {"storage": "csi", "driver": ""}),
        ("org", {"storage": "apolo", "cluster": "c", "org": "a b", "project": "p"}),
        ("project", {"storage": "apolo", "cluster": "c", "org": "o", "project": ""}),
    ],
)
def test_what_names_nothing_is_refused_where_it_stands(key: str, cache: dict[str, Any]) -> None:
    (line,) = mistakes(**cache)
    assert line.startswith(f"cache.{key}: ")


@given(st.integers(min_value=1, max_value=2 * 10**12))
def test_a_claim_holds_two_revisions(size: int) -> None:
    text = cache_size(size)
    assert text.endswith("Gi")
    assert int(text.removesuffix("Gi")) * GIB >= 2 * size


def test_a_size_that_nobody_asked_for_is_that_of_the_claim() -> None:
    silent = planned([preset("l4")], stack="prod")
    assert with_held_claim(silent, None).cache.size == "30Gi"
    assert with_held_claim(silent, held()).cache.size == "100Gi"
    assert with_held_claim(plan("pvc"), held()).cache.size == "50Gi"


def test_a_claim_that_several_nodes_use_lets_a_new_pod_come_first_and_the_job_go_anywhere() -> None:
    roomy = preset("l4", capacity=3, pool={"nodeSelector": {"gpu": "l4"}})
    alone = planned([roomy], cache={"storage": "existingClaim", "claimName": "models"})
    shared = with_mounted_claim(alone, held(name="models", access_modes=("ReadWriteMany",)))
    assert (alone.rollout.strategy, shared.rollout.strategy) == ("Recreate", "RollingUpdate")
    assert (alone.rollout.max_surge, shared.rollout.max_surge) == (0, 1)
    assert "may attach to one node only" not in shared.rollout.reason
    jobs = [plan_download(plan) for plan in (alone, shared)]
    assert [job.beside_server for job in jobs if job] == [True, False]
    assert with_mounted_claim(alone, held(name="models")) == alone
    assert with_mounted_claim(alone, None) == alone


def test_the_access_mode_that_a_stack_asks_for_its_own_claim_stays() -> None:
    asked = planned([preset("l4")])
    assert with_mounted_claim(asked, held(access_modes=("ReadWriteOnce", "ReadWriteMany"))) == asked


@pytest.mark.parametrize("storage", sorted(set(STORAGES) - {"pvc"}))
def test_a_claim_stays_declared_when_its_stack_turns_to_another_storage(storage: str) -> None:
    assert with_held_claim(plan(storage), held()).cache.kept == held()
    assert with_held_claim(plan(storage), held(stack="other")).cache.kept is None
    assert with_held_claim(plan(storage), held(stack=None)).cache.kept is None


@pytest.mark.parametrize("storage", STORAGES)
def test_the_namespace_stays_while_it_holds_files_that_stay(storage: str) -> None:
    cache = plan(storage).cache
    assert cache.keeps_namespace == (storage in {"pvc", "existingClaim"})
    assert with_held_claim(plan(storage), held()).cache.keeps_namespace
