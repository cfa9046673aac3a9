"""What the program exports, against the objects that it asks for."""

from urllib.parse import urlsplit

import pytest

from planning.names import PORT
from tests.program.recording import run_stack_file

AUTOSCALED = {"autoscaling": {"enabled": True, "interceptor": {"proxyPort": 8081}}}
UNSCALED = {"autoscaling": {"enabled": False}}


@pytest.mark.parametrize(
    ("overrides", "kind", "port"),
    [(UNSCALED, None, PORT), (AUTOSCALED, "ExternalName", 8081)],
)
def test_the_address_in_the_cluster_is_that_of_a_service_of_the_stack(
    overrides: dict[str, object], kind: str | None, port: int
) -> None:
    recording = run_stack_file("dev", overrides)
    address = urlsplit(str(recording.outputs["internalUrl"]))
    services = {
        f"{s.inputs['metadata']['name']}.{s.inputs['metadata']['namespace']}.svc.cluster.local": s
        for s in recording.of_type(":Service")
    }
    spec = services[f"{address.hostname}"].inputs["spec"]
    assert spec.get("type") == kind
    assert [port] == [found["port"] for found in spec["ports"]] == [address.port]
    assert (address.scheme, address.path) == ("http", "")
