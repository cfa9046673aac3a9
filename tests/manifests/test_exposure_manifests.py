"""The objects of the way in: an Ingress by kind of TLS, an HTTPRoute, and what both lead to."""

from typing import Any

import pytest

from manifests.gateway import GatewayResource, gateway_duration, gateway_resources
from manifests.ingress import MIDDLEWARES, ingress_args
from planning.exposure import GatewayExposure, IngressExposure, MiddlewareReference, plan_exposure
from planning.plan import Plan
from tests.choices import planned, preset, stack_settings
from tests.program.recording import Recording, run_stack_file

HOST = "llm.example.com"
ROUTER_TLS = "traefik.ingress.kubernetes.io/router.tls"
GATEWAY = {"host": HOST, "kind": "gateway", "gateway": {"name": "public", "namespace": "edge"}}
SCALED = {"enabled": True}
AUTH = MiddlewareReference(namespace="llm", name="vllm-auth")
LIMIT = MiddlewareReference(namespace="edge", name="limit")


def dev(ingress: dict[str, Any], **overrides: object) -> Recording:
    return run_stack_file("dev", {"ingress": {"host": HOST} | ingress, **overrides})


def ingress_of(ingress: dict[str, Any], **overrides: object) -> tuple[dict[str, str], Any]:
    """Annotations and spec of the Ingress."""
    inputs = dev(ingress, **overrides).only(":Ingress").inputs
    return inputs["metadata"]["annotations"], inputs["spec"]


def route_of(ingress: dict[str, Any], **overrides: object) -> Any:
    return dev(GATEWAY | ingress, **overrides).only(":HTTPRoute").inputs


def passing(
    ingress: dict[str, Any], *middlewares: MiddlewareReference
) -> tuple[Plan, IngressExposure | GatewayExposure]:
    """A plan and its way in with middlewares that requests pass."""
    asked = {"enabled": True, "host": HOST} | ingress
    plan = planned([preset("l4")], ingress=asked)
    found = plan_exposure(plan.names, stack_settings((), ingress=asked), middlewares)
    assert found is not None
    return plan, found


def annotations_of(ingress: dict[str, Any], *middlewares: MiddlewareReference) -> dict[str, str]:
    plan, found = passing(ingress, *middlewares)
    assert isinstance(found, IngressExposure)
    metadata: Any = ingress_args(plan, found).metadata
    return dict(metadata.annotations)


def route_with(*middlewares: MiddlewareReference) -> GatewayResource:
    plan, found = passing(GATEWAY, *middlewares)
    assert isinstance(found, GatewayExposure)
    (route,) = gateway_resources(plan, found)
    return route


@pytest.mark.parametrize(
    ("tls", "section", "annotations"),
    [
        (None, None, {}),
        ({"secretName": "wild"}, {"hosts": [HOST], "secretName": "wild"}, {}),
        (
            {"kind": "certManager", "issuer": "ca"},
            {"hosts": [HOST], "secretName": "vllm-tls"},
            {"cert-manager.io/issuer": "ca"},
        ),
        (
            {"kind": "certManager", "clusterIssuer": "acme", "secretName": "own"},
            {"hosts": [HOST], "secretName": "own"},
            {"cert-manager.io/cluster-issuer": "acme"},
        ),
        ({"kind": "controller"}, {"hosts": [HOST]}, {}),
    ],
)
@pytest.mark.parametrize("class_name", ["traefik", "haproxy"])
def test_tls_is_what_its_kind_says_and_traefik_answers_on_it_alone(
    tls: dict[str, str] | None, section: object, annotations: dict[str, str], class_name: str
) -> None:
    written, spec = ingress_of({"className": class_name} | ({"tls": tls} if tls else {}))
    assert spec.get("tls") == ([section] if section else None)
    assert spec["ingressClassName"] == class_name
    assert annotations.items() <= written.items()
    assert written.get(ROUTER_TLS) == ("true" if tls and class_name == "traefik" else None)
    assert set(written) <= {"pulumi.com/skipAwait", ROUTER_TLS, *annotations}


def test_a_users_annotations_stand_on_the_object_and_may_have_it_awaited() -> None:
    asked = {"external-dns.alpha.kubernetes.io/ttl": 60, "pulumi.com/skipAwait": "false"}
    as_text = {key: str(value) for key, value in asked.items()}
    assert ingress_of({"annotations": asked})[0] == as_text
    assert route_of({"annotations": asked})["metadata"]["annotations"] == as_text


def test_an_ingress_names_its_middlewares_as_traefik_does_and_the_users_own_come_last() -> None:
    assert MIDDLEWARES not in annotations_of({})
    planned_ones = "llm-vllm-auth@kubernetescrd,edge-limit@kubernetescrd"
    assert annotations_of({}, AUTH, LIMIT)[MIDDLEWARES] == planned_ones
    own = {"annotations": {MIDDLEWARES: "default-compress@file"}}
    assert annotations_of(own)[MIDDLEWARES] == "default-compress@file"
    assert annotations_of(own, AUTH)[MIDDLEWARES] == (
        "llm-vllm-auth@kubernetescrd,default-compress@file"
    )


@pytest.mark.parametrize(
    ("namespace", "name", "called"),
    [
        ("llm", "login.v2", "llm-login-v2"),
        ("team--a", "login", "team-a-login"),
        ("llm", "my--app-authentication", "llm-my-app-authentication"),
        ("a--b", "c.-d", "a-b-c-d"),
    ],
)
def test_a_middleware_has_the_name_that_traefik_keeps_it_under(
    namespace: str, name: str, called: str
) -> None:
    """Of a run of other characters than letters and digits, Traefik makes one '-'."""
    reference = MiddlewareReference(namespace=namespace, name=name)
    assert annotations_of({}, reference)[MIDDLEWARES] == f"{called}@kubernetescrd"


def test_another_spelling_of_the_users_takes_no_middleware_away() -> None:
    """Traefik reads annotations in any case, and of two that it takes for one only the last."""
    other = MIDDLEWARES.replace("middlewares", "Middlewares")
    written = annotations_of({"annotations": {other: "default-compress@file"}}, AUTH)
    assert written[MIDDLEWARES] == "llm-vllm-auth@kubernetescrd,default-compress@file"
    assert other not in written


def test_an_httproute_names_its_middlewares_as_filters_in_their_order() -> None:
    assert "filters" not in route_with().spec["rules"][0]
    second = MiddlewareReference(namespace="llm", name="vllm-limit")
    assert route_with(AUTH, second).spec["rules"][0]["filters"] == [
        {
            "type": "ExtensionRef",
            "extensionRef": {"group": "traefik.io", "kind": "Middleware", "name": name},
        }
        for name in ("vllm-auth", "vllm-limit")
    ]


@pytest.mark.parametrize("section_name", [None, "https"])
def test_an_httproute_belongs_to_its_gateway_and_leads_to_the_server(
    section_name: str | None,
) -> None:
    listener = {"sectionName": section_name} if section_name else {}
    asked = {"gateway": {"name": "public", "namespace": "edge", **listener}}
    recording = dev(GATEWAY | asked, autoscaling={"enabled": False})
    route = recording.only(":HTTPRoute").inputs
    (parent,) = route["spec"]["parentRefs"]
    assert {"namespace": "edge", "name": "public", **listener}.items() <= parent.items()
    assert ("sectionName" in parent) == bool(section_name)
    (rule,) = route["spec"]["rules"]
    (backend,) = rule["backendRefs"]
    (service,) = recording.of_type(":Service")
    assert (backend["namespace"], backend["name"], backend["port"]) == (
        service.inputs["metadata"]["namespace"],
        service.inputs["metadata"]["name"],
        service.inputs["spec"]["ports"][0]["port"],
    )
    assert recording.of_type(":Ingress") == []
    assert recording.of_type(":ReferenceGrant") == []


def test_only_the_api_is_reachable_through_a_gateway() -> None:
    (rule,) = route_of({})["spec"]["rules"]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/v1"}}]


def test_an_autoscaled_httproute_leads_to_the_interceptor_which_its_namespace_grants() -> None:
    interceptor = {"namespace": "scaling", "proxyService": "proxy", "proxyPort": 8081}
    scaled = SCALED | {"interceptor": interceptor}
    recording = dev(GATEWAY, autoscaling=scaled)
    route, grant = (recording.only(f":{kind}").inputs for kind in ("HTTPRoute", "ReferenceGrant"))
    (backend,) = route["spec"]["rules"][0]["backendRefs"]
    where = (backend["namespace"], backend["name"], backend["port"])
    assert where == ("scaling", "proxy", 8081)
    assert grant["metadata"]["namespace"] == backend["namespace"]
    # Two apps of the cluster share that namespace, so the name holds where the route is.
    assert grant["metadata"]["name"] == "llm.vllm"
    (source,), (target,) = grant["spec"]["from"], grant["spec"]["to"]
    assert source == {
        "group": "gateway.networking.k8s.io",
        "kind": "HTTPRoute",
        "namespace": route["metadata"]["namespace"],
    }
    assert target == {key: backend[key] for key in ("group", "kind", "name")}


@pytest.mark.parametrize("ingress", [{}, GATEWAY])
def test_clients_in_the_cluster_have_a_service_that_counts_their_requests(
    ingress: dict[str, Any],
) -> None:
    recording = dev(ingress, autoscaling=SCALED)
    (alias,) = [r for r in recording.of_type(":Service") if r.inputs["spec"].get("externalName")]
    plan = planned([preset("l4")], ingress={"enabled": False}, autoscaling=SCALED)
    metadata = alias.inputs["metadata"]
    host = f"{metadata['name']}.{metadata['namespace']}.svc.cluster.local"
    assert host == plan.names.interceptor_host
    assert plan.scaling is not None
    assert alias.inputs["spec"]["externalName"] == plan.scaling.interceptor_host


@pytest.mark.parametrize(
    ("request_seconds", "duration"),
    [(1, "1s"), (1800, "30m"), (3605, "1h5s"), (5430, "1h30m30s"), (86400, "24h")],
)
def test_a_gateway_gives_an_answer_the_time_that_the_stack_allows(
    request_seconds: int, duration: str
) -> None:
    unscaled = {"enabled": False}
    route = route_of({}, requestSeconds=request_seconds, autoscaling=unscaled)
    (rule,) = route["spec"]["rules"]
    assert rule["timeouts"] == {"request": duration, "backendRequest": duration}


def test_behind_an_interceptor_an_answer_may_wait_for_a_pod_first() -> None:
    start = {"startSeconds": 120}
    (rule,) = route_of({}, requestSeconds=60, rollout=start, autoscaling=SCALED)["spec"]["rules"]
    assert rule["timeouts"]["request"] == "3m"
    longer = SCALED | {"coldStart": {"waitSeconds": 240}}
    (rule,) = route_of({}, requestSeconds=60, rollout=start, autoscaling=longer)["spec"]["rules"]
    assert rule["timeouts"]["request"] == "5m"


def test_a_duration_leaves_out_what_is_zero() -> None:
    assert [gateway_duration(seconds) for seconds in (0, 59, 60, 3600, 3660)] == [
        "0s",
        "59s",
        "1m",
        "1h",
        "1h1m",
    ]
