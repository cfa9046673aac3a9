"""Registries that ask who pulls: every pod of the app names their Secrets."""

from typing import Any, cast

import pytest

from tests.program.recording import run_stack_file

NAMED = ["of-the-registry", "of-the-mirror"]
OIDC = {
    "kind": "oidc",
    "issuer": "https://issuer.example.com",
    "clientId": "vllm",
    "secretName": "client",
}
LARGE = {
    "model": "mistral-large-3",
    "preset": "nvidia-h100-8",
    "multiNode": {"maxNodes": 2},
    "cache": {"accessMode": "ReadWriteMany"},
    "autoscaling": {"enabled": False},
}


def pod_specs(value: Any) -> list[dict[str, Any]]:
    """Every spec of a pod in what is sent to the cluster."""
    match value:
        case list():
            return [spec for each in cast("list[Any]", value) for spec in pod_specs(each)]
        case dict():
            fields = cast("dict[str, Any]", value)
            found = [fields] if "containers" in fields else []
            return found + [spec for each in fields.values() for spec in pod_specs(each)]
        case _:
            return []


@pytest.mark.parametrize(
    ("config", "pods"),
    [({"ingress": {"host": "llm.example.com", "auth": OIDC}}, 3), (LARGE, 3)],
)
def test_every_pod_pulls_with_the_secrets_that_are_named(
    config: dict[str, object], pods: int
) -> None:
    for named, expected in ((NAMED, [{"name": name} for name in NAMED]), ([], None)):
        recording = run_stack_file("dev", config | {"imagePullSecrets": named})
        specs = [spec for each in recording.requests for spec in pod_specs(each.inputs)]
        assert len(specs) == pods
        assert [spec.get("imagePullSecrets") for spec in specs] == [expected] * pods
