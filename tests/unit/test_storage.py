"""What the cluster's namespace and claims say about a plan."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from cluster.observed import ObservedNamespace
from cluster.storage import (
    cache_mistakes,
    claim_mistakes,
    claim_warnings,
    namespace_keeping,
    namespace_mistakes,
    with_own_namespace,
)
from cluster.storage_classes import ObservedStorageClass, class_mistakes, class_warnings
from planning.plan import Plan
from planning.units import GIB
from planning.volumes import Cache, HeldClaim
from tests.choices import planned, preset
from tests.unit.test_settings import mistakes

MINE = ObservedNamespace(stack="prod", enforced="restricted")


def cache(size: str, *, asked: bool, files_gib: int = 14) -> Cache:
    return replace(plan().cache, size=size, size_is_asked=asked, files_bytes=files_gib * GIB)


def plan(*, namespace: dict[str, Any] | None = None, replicas: int = 1, **cache: object) -> Plan:
    keys: dict[str, Any] = {"cache": cache, "namespace": namespace or {}, "replicas": replicas}
    return planned([preset("l4")], stack="prod", **keys)


def held(**changed: Any) -> HeldClaim:
    values: dict[str, Any] = {
        "name": "vllm-cache",
        "size": "30Gi",
        "size_bytes": 30 * GIB,
        "storage_class": "standard",
        "access_modes": ("ReadWriteOnce",),
        "stack": "prod",
        "retain": True,
    }
    return HeldClaim(**values | changed)


@pytest.mark.parametrize(
    ("cache", "adopts"), [({}, True), ({"storage": "hostPath", "path": "/m"}, False)]
)
def test_only_a_stack_that_may_adopt_is_told_to(cache: dict[str, Any], adopts: bool) -> None:
    foreign = ObservedNamespace(stack="other", enforced="restricted")
    (mistake,) = namespace_mistakes(plan(**cache), foreign)
    assert ("cache.adopt" in mistake.remedy) == adopts
    asked = {"cache": json.dumps({**cache, "adopt": True})}
    assert (mistakes(asked) == []) == adopts


@pytest.mark.parametrize("held", [None, 30 * GIB, 100 * GIB])
def test_a_size_that_nobody_asked_for_follows_the_claim(held: int | None) -> None:
    assert cache_mistakes(cache("30Gi", asked=False), held) == []


def test_a_claim_too_small_for_the_model_is_refused_with_both_figures() -> None:
    (mistake,) = cache_mistakes(cache("100Gi", asked=False, files_gib=45), 30 * GIB)
    assert "has 30.0 GiB, and the model's files take 45.0 GiB" in str(mistake)


@pytest.mark.parametrize("held", [None, 30 * GIB])
def test_a_size_below_the_model_is_refused_before_a_claim_is_made_or_grows(
    held: int | None,
) -> None:
    (mistake,) = cache_mistakes(cache("40Gi", asked=True, files_gib=45), held)
    assert "has 40.0 GiB, and the model's files take 45.0 GiB" in str(mistake)


def test_shrinking_is_refused_and_growing_is_not() -> None:
    (mistake,) = cache_mistakes(cache("20Gi", asked=True), 30 * GIB)
    assert str(mistake).startswith("cache.size: 20Gi is less than the 30.0 GiB of the claim")
    assert cache_mistakes(cache("30Gi", asked=True), 30 * GIB) == []
    assert cache_mistakes(cache("31Gi", asked=True), 30 * GIB) == []


@pytest.mark.parametrize("stack", [None, "staging"])
def test_what_another_stack_left_is_taken_over_only_when_asked_to(stack: str | None) -> None:
    (claim,) = claim_mistakes(plan(), held(stack=stack))
    (namespace,) = namespace_mistakes(plan(), replace(MINE, stack=stack))
    assert claim.key == "cache.adopt"
    assert namespace.key == "namespace.create"
    for mistake in (claim, namespace):
        assert "set cache.adopt to true" in mistake.remedy
        assert (f"the stack '{stack}'" if stack else "no stack of this program") in mistake.wrong
    adopting = plan(adopt=True)
    assert claim_mistakes(adopting, held(stack=stack)) == []
    assert list(namespace_mistakes(adopting, replace(MINE, stack=stack))) == []
    assert "becomes this stack's" in "".join(claim_warnings(adopting, held(stack=stack)))


def test_a_stack_finds_its_own_claim_and_namespace_again() -> None:
    assert claim_mistakes(plan(), held()) == []
    assert list(namespace_mistakes(plan(), MINE)) == []
    assert list(namespace_mistakes(plan(), None)) == []
    assert list(claim_warnings(plan(), held())) == []


@pytest.mark.parametrize("adopt", [False, True])
def test_another_class_or_access_mode_is_refused_since_it_would_delete_the_files(
    adopt: bool,
) -> None:
    asked = plan(adopt=adopt, storageClass="fast", accessMode="ReadWriteMany")
    mistakes = claim_mistakes(asked, held())
    assert [mistake.key for mistake in mistakes] == ["cache.storageClass", "cache.accessMode"]
    assert all("would delete the files" in mistake.rule for mistake in mistakes)


STANDARD = ObservedStorageClass(name="standard", is_default=True, expands=True)
FIXED = ObservedStorageClass(name="fixed", is_default=False, expands=False)


def test_a_growth_that_the_class_of_the_claim_does_not_allow_is_refused() -> None:
    grown = plan(size="80Gi").cache
    of_fixed = held(storage_class="fixed")
    (mistake,) = class_mistakes(grown, of_fixed, [FIXED, STANDARD])
    assert str(mistake).startswith("cache.size: 80Gi is more than the 30Gi of the claim")
    assert "its class fixed lets no claim grow" in mistake.rule
    assert list(class_mistakes(grown, held(), [FIXED, STANDARD])) == []
    assert list(class_mistakes(grown, None, [FIXED])) == []
    assert list(class_mistakes(plan(size="30Gi").cache, of_fixed, [FIXED])) == []
    assert list(class_mistakes(plan().cache, of_fixed, [FIXED])) == []


def test_a_new_claim_for_which_nothing_makes_a_volume_is_warned_of() -> None:
    (warning,) = class_warnings(plan(), None, [FIXED])
    assert "no default StorageClass" in warning
    assert warning.endswith("name one of: fixed")
    (warning,) = class_warnings(plan(storageClass="fasst"), None, [FIXED, STANDARD])
    assert "no StorageClass 'fasst'" in warning
    assert warning.endswith("its classes: fixed, standard")
    assert list(class_warnings(plan(), None, [FIXED, STANDARD])) == []
    assert list(class_warnings(plan(storageClass="fixed"), None, [FIXED])) == []
    assert list(class_warnings(plan(storageClass=""), None, [])) == []
    assert list(class_warnings(plan(storageClass="gone"), held(), [])) == []


def test_a_namespace_that_admits_no_such_volume_is_refused() -> None:
    folder = plan(storage="hostPath", path="/mnt/models", namespace={"create": False})
    for enforced in ("restricted", "baseline"):
        (mistake,) = namespace_mistakes(folder, ObservedNamespace(stack=None, enforced=enforced))
        assert f"enforces {enforced}" in mistake.wrong
        assert "admit no hostPath volume" in mistake.rule
    loose = ObservedNamespace(stack=None, enforced="privileged")
    assert list(namespace_mistakes(folder, loose)) == []
    claimed = plan(namespace={"create": False})
    strict = ObservedNamespace(stack=None, enforced="restricted")
    assert list(namespace_mistakes(claimed, strict)) == []


def test_a_namespace_that_nobody_makes_must_exist() -> None:
    (mistake,) = namespace_mistakes(plan(namespace={"create": False, "name": "team"}), None)
    assert "there is no namespace 'team'" in mistake.wrong


def test_a_namespace_that_the_stack_made_stays_when_it_no_longer_wants_to_create_one() -> None:
    refusing = plan(namespace={"create": False})
    kept = with_own_namespace(refusing, MINE)
    assert (kept.create_namespace, kept.keep_namespace) == (True, True)
    assert "now stays when the stack goes" in "".join(namespace_keeping(kept))
    for found in (None, replace(MINE, stack=None), replace(MINE, stack="staging")):
        assert with_own_namespace(refusing, found) == refusing
    assert with_own_namespace(plan(), MINE) == plan()
    assert list(namespace_keeping(plan())) == []


def test_an_existing_claim_must_exist_and_hold_the_model_for_every_replica() -> None:
    named = plan(storage="existingClaim", claimName="models")
    (mistake,) = claim_mistakes(named, None)
    assert "there is no claim 'models'" in mistake.wrong
    (mistake,) = claim_mistakes(named, held(name="models", size_bytes=GIB))
    assert "has 1.0 GiB" in mistake.wrong
    several = plan(storage="existingClaim", claimName="models", replicas=2)
    (mistake,) = claim_mistakes(several, held(name="models"))
    assert "2 pods" in mistake.wrong
    assert claim_mistakes(several, held(access_modes=("ReadWriteMany",))) == []
    assert claim_mistakes(named, held(name="models", stack=None)) == []
