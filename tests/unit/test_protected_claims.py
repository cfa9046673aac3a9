"""What a destroyed stack says of the claims that it still holds."""

from __future__ import annotations

from typing import Any

import pytest

from tools.protected_claims import kept_claims


def claim(**changed: Any) -> dict[str, Any]:
    metadata = {"name": "vllm-cache", "namespace": "llm"}
    kind = "kubernetes:core/v1:PersistentVolumeClaim"
    return {"type": kind, "protect": True, "outputs": {"metadata": metadata}, **changed}


def test_a_protected_claim_is_named_with_the_ways_to_adopt_and_to_delete_it() -> None:
    namespace = {"type": "kubernetes:core/v1:Namespace", "protect": True}
    (said,) = kept_claims({"deployment": {"resources": [namespace, claim()]}})
    for words in ("'vllm-cache' in namespace llm", "cache.adopt", "pvc vllm-cache --namespace llm"):
        assert words in said


@pytest.mark.parametrize(
    "resources", [{}, {"resources": []}, {"resources": [claim(protect=False)]}]
)
def test_a_stack_that_holds_none_says_nothing(resources: dict[str, Any]) -> None:
    assert list(kept_claims({"deployment": resources})) == []
