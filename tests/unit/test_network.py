"""Which ports and namespaces the NetworkPolicies name, and what is said of absent ones."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.network import namespace_warnings
from planning.network_rules import NamedNamespace, NetworkPlan, Policy
from settings.mistakes import Mistake
from settings.network import Network, endpoint_port, network_mistakes
from settings.parse import parse
from tests.choices import planned, preset

SHARED = {"cache": {"accessMode": "ReadWriteMany"}}
CALLED: dict[str, dict[str, Any]] = {
    "ingress": {"ingress": {"host": "llm.example.com"}},
    "gateway": {
        "ingress": {
            "host": "llm.example.com",
            "kind": "gateway",
            "gateway": {"name": "public", "namespace": "edge"},
        }
    },
    "oidc": {
        "ingress": {
            "host": "llm.example.com",
            "auth": {"kind": "oidc", "issuer": "https://login.example.com", "clientId": "llm"},
        }
    },
    "inside": {"network": {"clients": [{"namespace": "lab"}, {"cidr": "192.0.2.0/24"}]}},
}


def network(**keys: Any) -> NetworkPlan:
    plan = planned([preset("l4")], **keys).network
    assert plan is not None
    return plan


def policy(role: str, **keys: Any) -> Policy:
    (found,) = [policy for policy in network(**keys).policies if policy.role == role]
    return found


def ports_to_the_hub(**env: str) -> list[int]:
    (rule,) = policy("download", extraEnv=env).egress
    return [port.number for port in rule.ports]


def mistakes(
    *, env: dict[str, str] | None = None, called: bool = True, **keys: object
) -> list[Mistake]:
    asked = Network.model_validate(keys)
    return list(network_mistakes(asked, env or {}, called_by_controller=called))


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("https://hub.example.com", 443),
        ("http://hub.example.com/path", 80),
        ("https://user:word@hub.example.com:8443", 8443),
        ("proxy.example.com:3128", 3128),
        ("http://[2001:db8::1]:3128", 3128),
        ("socks5h://proxy.example.com", 1080),
        ("", None),
        ("https://", None),
        ("https://hub.example.com:many", None),
        ("https://hub.example.com:70000", None),
        ("ftp://hub.example.com", None),
    ],
)
def test_the_port_of_an_address_is_read_as_clients_read_it(address: str, port: int | None) -> None:
    assert endpoint_port(address) == port


def test_a_download_reaches_the_hub_and_the_mirror_or_proxy_that_is_named() -> None:
    assert ports_to_the_hub() == [443]
    assert ports_to_the_hub(HF_ENDPOINT="https://mirror.example.com:8443") == [443, 8443]
    assert ports_to_the_hub(https_proxy="proxy:3128", NO_PROXY="localhost:9999") == [443, 3128]


def test_an_address_without_a_port_to_open_is_refused_without_being_shown() -> None:
    (mistake,) = mistakes(env={"HF_ENDPOINT": "ftp://user:word@mirror"})
    assert str(mistake) == (
        "extraEnv.HF_ENDPOINT: holds no address with a port that can be read; the NetworkPolicy "
        "opens that port for downloads, and no other; write it as https://host:port, or set "
        "network.enabled to false"
    )
    assert mistakes(env={"HF_ENDPOINT": "ftp://mirror"}, enabled=False) == []


@pytest.mark.parametrize("client", [{}, {"namespace": "lab", "cidr": "192.0.2.0/24"}])
def test_a_client_is_pods_or_addresses(client: dict[str, str]) -> None:
    (mistake,) = mistakes(clients=[client])
    assert (mistake.key, mistake.remedy) == ("network.clients[0]", "set exactly one of the two")


def test_an_ingress_whose_controller_nobody_lets_in_is_refused() -> None:
    (mistake,) = mistakes(ingressNamespaces=[])
    assert mistake.key == "network.ingressNamespaces"
    assert mistakes(ingressNamespaces=[], clients=[{"cidr": "192.0.2.0/24"}]) == []
    assert mistakes(ingressNamespaces=[], called=False) == []
    assert mistakes(ingressNamespaces=[], enabled=False) == []


@pytest.mark.parametrize(
    ("keys", "warned"),
    [
        ({}, True),
        ({"network": {"enabled": False}}, False),
        ({"network": {"clients": [{"namespace": "lab"}]}}, False),
        ({"ingress": {"host": "llm.example.com"}}, False),
        ({"autoscaling": {"enabled": True}, "cache": {"storage": "none"}}, False),
    ],
)
def test_a_server_that_nobody_may_call_is_warned_of(keys: dict[str, Any], warned: bool) -> None:
    plan = planned([preset("l4")], **keys)
    found = [text for text in plan.warnings if text.startswith("network.clients: is empty")]
    assert len(found) == warned


BEHIND_A_GATEWAY: dict[str, Any] = {"ingress": CALLED["gateway"]["ingress"]}


@pytest.mark.parametrize(
    ("keys", "warned"),
    [
        ({}, True),
        ({"network": {"ingressNamespaces": ["envoy-gateway-system"]}}, False),
        ({"network": {"enabled": False}}, False),
        ({"ingress": {"controller": "traefik"}}, False),
        ({"ingress": {"enabled": False}}, False),
        ({"autoscaling": {"enabled": True}, **SHARED}, False),
    ],
)
def test_where_the_proxies_of_a_gateway_run_is_asked_for_once(
    keys: dict[str, Any], warned: bool
) -> None:
    ingress = BEHIND_A_GATEWAY["ingress"] | keys.get("ingress", {})
    plan = planned([preset("l4")], **(keys | {"ingress": ingress}))
    found = [text for text in plan.warnings if text.startswith("network.ingressNamespaces")]
    assert len(found) == warned


def test_a_gateway_is_called_from_where_its_proxies_run() -> None:
    def callers(**ingress: str) -> list[str | None]:
        keys = {"ingress": BEHIND_A_GATEWAY["ingress"] | ingress}
        return [peer.namespace for peer in policy("server-controller", **keys).ingress[0].peers]

    assert callers() == ["edge"]
    assert callers(controller="traefik") == ["traefik"]


def test_oauth2_proxy_is_asked_by_a_controller_that_has_addresses_alone() -> None:
    asked = {"ingressNamespaces": [], "clients": [{"cidr": "192.0.2.0/24"}, {"namespace": "lab"}]}
    (rule,) = policy("authentication", **CALLED["oidc"], network=asked).ingress
    assert [(peer.namespace, peer.cidr) for peer in rule.peers] == [(None, "192.0.2.0/24")]


def test_addresses_have_no_labels() -> None:
    (mistake,) = mistakes(clients=[{"cidr": "192.0.2.0/24", "podLabels": {"app": "notebook"}}])
    assert mistake.key == "network.clients[0].podLabels"


@pytest.mark.parametrize("cidr", ["192.0.2.7", "192.0.2.7/24", "192.0.2.0/33", "2001:DB8::/32"])
def test_a_range_of_addresses_that_the_api_server_would_not_take_is_refused(cidr: str) -> None:
    raw = {"network": f'{{"egressCidrs": ["{cidr}"]}}'}
    (mistake,) = [m for m in parse(raw, secret=frozenset()).mistakes if m.key.startswith("network")]
    assert "is a range of addresses in canonical form" in mistake.rule


def test_only_a_server_that_downloads_by_itself_gets_out() -> None:
    def getting_out(**keys: Any) -> list[tuple[str, str]]:
        return [
            (found.component or "every pod", rule.purpose)
            for found in network(**keys).policies
            for rule in found.egress
        ]

    names, files = ("every pod", "names"), "the model's files"
    assert getting_out() == [names, ("download", files)]
    for storage in ({"storage": "none"}, {"storage": "hostPath", "path": "/models"}):
        assert getting_out(cache=storage) == [names, ("server", files)]


@pytest.mark.parametrize("called", CALLED)
def test_autoscaling_changes_no_policy_that_is_there_before_and_after(called: str) -> None:
    """Pulumi makes what is new first, and deletes what is gone after everything else."""
    off, on = (
        {found.role: found for found in network(**CALLED[called], **SHARED, **scaling).policies}
        for scaling in ({}, {"autoscaling": {"enabled": True}})
    )
    kept = off.keys() & on.keys()
    assert {role: off[role] for role in kept} == {role: on[role] for role in kept}
    assert on.keys() - off.keys() == {"server-interceptor"}
    gone = off.keys() - on.keys()
    assert gone == ({"server-controller"} if called != "inside" else frozenset())


@pytest.mark.parametrize("storage", [{"storage": "none"}, {"storage": "hostPath", "path": "/m"}])
def test_another_cache_changes_no_policy_that_is_there_before_and_after(
    storage: dict[str, str],
) -> None:
    before, after = (
        {found.role: found for found in network(cache=cache).policies} for cache in ({}, storage)
    )
    kept = before.keys() & after.keys()
    assert {role: before[role] for role in kept} == {role: after[role] for role in kept}


def test_the_namespace_that_the_stack_makes_is_not_missed() -> None:
    clients = [{"namespace": "llm"}, {"namespace": "lab"}, {"cidr": "192.0.2.0/24"}]
    assert network(network={"clients": clients}).namespaces == (
        NamedNamespace(name="lab", key="network.clients"),
    )


def test_a_namespace_for_monitoring_is_expected_only_where_it_is_asked_for() -> None:
    ingress = {"host": "llm.example.com"}
    expected = [named.key for named in network(ingress=ingress).namespaces]
    assert expected == ["network.ingressNamespaces"]
    asked = network(ingress=ingress, network={"monitoringNamespaces": ["monitoring"]})
    assert "network.monitoringNamespaces" in [named.key for named in asked.namespaces]


def test_with_autoscaling_the_interceptor_is_expected_in_the_controller_s_place() -> None:
    keys = {"ingress": {"host": "llm.example.com"}, "autoscaling": {"enabled": True}}
    shared = {"accessMode": "ReadWriteMany"}
    (named,) = network(**keys, cache=shared).namespaces
    assert (named.name, named.of_interceptor) == ("keda", True)


def test_absent_namespaces_make_one_warning_with_keys_and_effect() -> None:
    absent = [
        NamedNamespace(name="traefik", key="network.ingressNamespaces"),
        NamedNamespace(name="lab", key="network.clients"),
    ]
    assert namespace_warnings(absent) == (
        "network: this cluster has no namespace traefik (network.ingressNamespaces) and no lab "
        "(network.clients), so nobody reaches the server from there; name the one that the "
        "callers' pods are in",
    )
    assert namespace_warnings([]) == ()


def test_a_disabled_network_plans_no_policies() -> None:
    assert planned([preset("l4")], network={"enabled": False}).network is None


@pytest.mark.parametrize(
    ("address", "keys", "warned"),
    [
        ("http://prometheus.observability:9090", {}, True),
        ("http://prometheus.observability.svc.cluster.local:9090", {}, True),
        ("http://prometheus.monitoring:9090", {"monitoringNamespaces": []}, True),
        ("http://prometheus.monitoring.svc:9090", {}, False),
        (
            "http://prometheus.observability:9090",
            {"monitoringNamespaces": ["observability"]},
            False,
        ),
        ("http://prometheus.observability:9090", {"enabled": False}, False),
        ("https://prometheus.example.com", {}, False),
        ("http://prometheus:9090", {}, False),
        ("http://10.0.0.7:9090", {}, False),
    ],
)
def test_a_prometheus_that_the_pods_do_not_let_in_is_a_warning(
    address: str, keys: dict[str, Any], warned: bool
) -> None:
    plan = planned(
        [preset("l4")],
        autoscaling={"enabled": True, "requestsWaiting": 5, "prometheus": {"address": address}},
        cache={"accessMode": "ReadWriteMany"},
        network=keys,
    )
    said = [
        w for w in plan.warnings if w.startswith("network.monitoringNamespaces: the Prometheus")
    ]
    assert len(said) == warned
