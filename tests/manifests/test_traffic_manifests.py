"""The way in: what is reachable, and what a request passes on its way to the server."""

from typing import Any

import pytest

from tests.manifests.dev_stack import dev
from tests.program.recording import Recording


@pytest.mark.parametrize("enabled", [True, False])
def test_only_the_api_is_reachable_from_outside(enabled: bool) -> None:
    ingress = dev(autoscaling={"enabled": enabled}).only(":Ingress").inputs["spec"]
    (rule,) = ingress["rules"]
    assert [(path["path"], path["pathType"]) for path in rule["http"]["paths"]] == [
        ("/v1", "Prefix")
    ]
    assert "defaultBackend" not in ingress
    assert rule["host"] == "vllm.llm.localhost"


def test_autoscaled_requests_pass_the_interceptor_that_counts_them() -> None:
    recording = dev(autoscaling={"enabled": True})
    backend = _backend(recording)
    (alias,) = [r for r in recording.of_type(":Service") if r.name.endswith("interceptor")]
    assert backend["name"] == alias.inputs["metadata"]["name"]
    assert alias.inputs["spec"]["type"] == "ExternalName"
    assert alias.inputs["spec"]["externalName"].startswith("keda-add-ons-http-interceptor-proxy.")
    assert backend["port"]["number"] == alias.inputs["spec"]["ports"][0]["port"]


def test_without_an_autoscaler_requests_go_straight_to_the_server() -> None:
    recording = dev(autoscaling={"enabled": False})
    (service,) = recording.of_type(":Service")
    assert _backend(recording) == {
        "name": service.inputs["metadata"]["name"],
        "port": {"number": service.inputs["spec"]["ports"][0]["port"]},
    }
    assert recording.of_type(":RpsAutoscaler") == []


def _backend(recording: Recording) -> dict[str, Any]:
    (rule,) = recording.only(":Ingress").inputs["spec"]["rules"]
    return rule["http"]["paths"][0]["backend"]["service"]
