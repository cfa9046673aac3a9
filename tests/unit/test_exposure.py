"""The way in from outside as a stack asks for it: kind, host, TLS, and what is refused."""

from typing import Any

import pytest

from planning.errors import PlanError
from planning.exposure import (
    Backend,
    CertManagerTls,
    ControllerTls,
    Exposure,
    GatewayExposure,
    GatewayReference,
    IngressExposure,
    MiddlewareReference,
    SecretTls,
    ingress_line,
    ingress_warnings,
    plan_exposure,
)
from planning.names import Names
from settings.ingress import Ingress, ingress_mistakes
from settings.mistakes import Mistake
from tests.choices import stack_settings

GATEWAY = {"kind": "gateway", "gateway": {"name": "public", "namespace": "edge"}}
AUTH = MiddlewareReference(namespace="llm", name="vllm-auth")


def exposed(
    ingress: dict[str, Any],
    *middlewares: MiddlewareReference,
    name: str = "vllm",
    stack: str = "dev",
    **keys: object,
) -> Exposure:
    asked = {"enabled": True, "host": "llm.example.com"} | ingress
    names = Names(app=name, namespace="llm", stack=stack)
    found = plan_exposure(names, stack_settings((), ingress=asked, **keys), middlewares)
    assert found is not None
    return found


def by_ingress(ingress: dict[str, Any], **keys: Any) -> IngressExposure:
    found = exposed(ingress, **keys)
    assert isinstance(found, IngressExposure)
    return found


def by_gateway(
    ingress: dict[str, Any], *middlewares: MiddlewareReference, **keys: Any
) -> GatewayExposure:
    found = exposed(GATEWAY | ingress, *middlewares, **keys)
    assert isinstance(found, GatewayExposure)
    return found


def refused(ingress: dict[str, Any], **keys: Any) -> Mistake:
    with pytest.raises(PlanError) as raised:
        exposed(ingress, **keys)
    (mistake,) = raised.value.mistakes
    return mistake


def mistakes(ingress: dict[str, Any]) -> list[Mistake]:
    return list(ingress_mistakes(Ingress.model_validate({"host": "llm.example.com"} | ingress)))


@pytest.mark.parametrize(
    ("asked", "host"),
    [
        ({"host": "llm.example.com"}, "llm.example.com"),
        ({"host": "LLM.Example.com"}, "llm.example.com"),
        ({"host": "{app}-{namespace}.{stack}.localhost"}, "vllm-llm.team.localhost"),
        ({"host": "{app}.{domain}", "domain": "example.com"}, "vllm.example.com"),
        ({"host": None, "domain": "example.com"}, "vllm.llm.example.com"),
        ({"host": None, "domain": "{stack}.example.com"}, "vllm.llm.team.example.com"),
        ({"host": "llm.example.com", "domain": "example.org"}, "llm.example.com"),
        ({"host": f"{'a' * 63}.{'b' * 63}"}, f"{'a' * 63}.{'b' * 63}"),
    ],
)
@pytest.mark.parametrize("kind", [{}, GATEWAY])
def test_a_host_is_its_template_filled_in(
    asked: dict[str, Any], host: str, kind: dict[str, Any]
) -> None:
    found = exposed(kind | asked, stack="Team")
    assert (found.host, found.url) == (host, f"http://{host}")


@pytest.mark.parametrize(
    ("host", "rule"),
    [
        ("https://llm.example.com", "without scheme"),
        ("llm.example.com:8443", "port"),
        ("llm.example.com/v1", "path"),
        ("*.example.com", "wildcard"),
        ("llm.example.com.", "a dot at the end"),
        ("llm..example.com", "a host is a DNS name"),
        ("-llm.example.com", "a host is a DNS name"),
        ("my_llm.example.com", "a host is a DNS name"),
        ("llm.exämple.com", "a host is a DNS name"),
        (" llm.example.com", "a host is a DNS name"),
        ("10.0.0.1", "not on an IP address"),
        ("::1", "not on an IP address"),
        ("[fd00::1]", "not on an IP address"),
        ("llm.1", "the last label of a DNS name is no number"),
        ("llm.0x1f", "the last label of a DNS name is no number"),
        ("{name}.example.com", "its placeholders are {app}, {namespace}, {stack} and {domain}"),
        (f"{'a' * 64}.example.com", "63 characters at most"),
        (".".join(["a" * 50] * 5), "253 characters at most"),
    ],
)
def test_a_host_that_no_client_could_ask_for_is_refused(host: str, rule: str) -> None:
    mistake = refused({"host": host})
    assert mistake.key == "ingress.host"
    assert repr(host.lower()) in mistake.wrong
    assert rule in mistake.rule
    assert mistake.remedy


def test_a_template_that_grows_too_long_is_refused_with_the_label_it_makes() -> None:
    long = "a" * 40
    mistake = refused({"host": "{app}-{app}.example.com"}, name=long)
    assert f"'{long}-{long}' has 81" in mistake.rule
    assert "without the placeholder" in mistake.remedy


def test_a_stack_whose_name_is_no_dns_label_cannot_lend_it_to_the_host() -> None:
    assert refused({"host": "{stack}.example.com"}, stack="my_stack").key == "ingress.host"


@pytest.mark.parametrize(
    ("tls", "planned", "said"),
    [
        ({"secretName": "wild"}, SecretTls(secret_name="wild"), "Secret wild"),
        ({"kind": "secret", "secretName": "wild"}, SecretTls(secret_name="wild"), "Secret wild"),
        (
            {"kind": "certManager", "issuer": "ca"},
            CertManagerTls(issuer_kind="Issuer", issuer="ca", secret_name="vllm-tls"),
            "cert-manager's Issuer ca",
        ),
        (
            {"kind": "certManager", "clusterIssuer": "acme", "secretName": "own"},
            CertManagerTls(issuer_kind="ClusterIssuer", issuer="acme", secret_name="own"),
            "cert-manager's ClusterIssuer acme",
        ),
        ({"kind": "controller"}, ControllerTls(), "the controller's certificate"),
    ],
)
def test_every_kind_of_tls_makes_the_address_https(
    tls: dict[str, str], planned: object, said: str
) -> None:
    assert mistakes({"tls": tls}) == []
    found = by_ingress({"tls": tls})
    assert found.tls == planned
    assert found.url == "https://llm.example.com"
    address = "https://llm.example.com/v1 by Ingress of class traefik"
    assert f"{address}; TLS: {said}" in ingress_line(found)


@pytest.mark.parametrize(
    ("tls", "key"),
    [
        ({}, "ingress.tls.secretName"),
        ({"kind": "secret"}, "ingress.tls.secretName"),
        ({"clusterIssuer": "acme", "secretName": "own"}, "ingress.tls.clusterIssuer"),
        ({"kind": "certManager"}, "ingress.tls.issuer"),
        ({"kind": "certManager", "issuer": "a", "clusterIssuer": "b"}, "ingress.tls.issuer"),
        ({"kind": "controller", "secretName": "own"}, "ingress.tls.secretName"),
    ],
)
def test_tls_that_contradicts_itself_is_refused(tls: dict[str, str], key: str) -> None:
    (mistake,) = mistakes({"tls": tls})
    assert mistake.key == key
    assert mistake.remedy


def test_a_gateway_is_named_and_may_be_in_another_namespace() -> None:
    assert mistakes(GATEWAY) == []
    found = by_gateway({})
    assert found.gateway == GatewayReference(namespace="edge", name="public", section_name=None)
    own = by_gateway({"gateway": {"name": "public", "sectionName": "web"}})
    assert own.gateway == GatewayReference(namespace="llm", name="public", section_name="web")
    assert "by HTTPRoute of Gateway llm/public, listener web; TLS: none" in ingress_line(own)


def test_the_certificate_of_a_gateway_is_its_own() -> None:
    asked = GATEWAY | {"tls": {"kind": "controller"}}
    assert mistakes(asked) == []
    assert by_gateway(asked).url == "https://llm.example.com"
    for tls in ({"secretName": "wild"}, {"kind": "certManager", "issuer": "ca"}):
        (mistake,) = mistakes(GATEWAY | {"tls": tls})
        assert mistake.key == "ingress.tls.kind"
        assert "belongs to a listener of the Gateway" in mistake.rule


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ({"kind": "gateway"}, "ingress.gateway"),
        ({"gateway": {"name": "public"}}, "ingress.gateway"),
        (GATEWAY | {"className": "traefik"}, "ingress.className"),
        ({"host": None}, "ingress.host"),
        ({"host": "{app}.{domain}"}, "ingress.domain"),
        ({"annotations": {"cert-manager.io/issuer": "ca"}}, "ingress.annotations"),
        (
            {"annotations": {"traefik.ingress.kubernetes.io/router.tls": "true"}},
            "ingress.annotations",
        ),
    ],
)
def test_keys_that_contradict_each_other_are_refused(asked: dict[str, Any], key: str) -> None:
    assert [mistake.key for mistake in mistakes(asked)] == [key]
    assert mistakes(asked | {"enabled": False}) == []


@pytest.mark.parametrize(
    ("asked", "controller"),
    [
        ({}, "traefik"),
        ({"className": "traefik-internal"}, "traefik"),
        ({"className": "haproxy"}, "other"),
        ({"className": "edge", "controller": "traefik"}, "traefik"),
        ({"className": "traefik", "controller": "other"}, "other"),
        (GATEWAY, "other"),
        (GATEWAY | {"controller": "traefik"}, "traefik"),
    ],
)
def test_the_controller_is_known_by_its_class_or_by_name(
    asked: dict[str, Any], controller: str
) -> None:
    assert exposed(asked).controller == controller


def test_requests_go_to_the_server_or_to_what_counts_them() -> None:
    server = Backend(namespace="llm", service="vllm", port=8000)
    assert exposed({}).backend == exposed(GATEWAY).backend == server
    scaled = {"enabled": True, "interceptor": {"namespace": "scaling", "proxyPort": 8081}}
    alias = Backend(namespace="llm", service="vllm-interceptor", port=8081)
    assert exposed({}, autoscaling=scaled).backend == alias
    # An HTTPRoute leads to no ExternalName Service, so it names the interceptor itself.
    proxy = "keda-add-ons-http-interceptor-proxy"
    assert exposed(GATEWAY, autoscaling=scaled).backend == Backend(
        namespace="scaling", service=proxy, port=8081
    )


def test_an_httproute_passes_middlewares_of_its_own_namespace_alone() -> None:
    away = MiddlewareReference(namespace="edge", name="login")
    assert exposed({}, AUTH, away).middlewares == (AUTH, away)
    assert by_gateway({}, AUTH).middlewares == (AUTH,)
    with pytest.raises(PlanError) as raised:
        by_gateway({}, AUTH, away)
    (mistake,) = raised.value.mistakes
    assert "'login' is in the namespace edge" in mistake.wrong


@pytest.mark.parametrize("name", ["login.v2", "my--app-authentication"])
def test_a_middleware_that_traefik_keeps_under_another_name_is_refused_behind_a_gateway(
    name: str,
) -> None:
    renamed = MiddlewareReference(namespace="llm", name=name)
    assert exposed({}, renamed).middlewares == (renamed,)
    with pytest.raises(PlanError) as raised:
        by_gateway({}, AUTH, renamed)
    (mistake,) = raised.value.mistakes
    assert f"'{name}'" in mistake.wrong
    assert "set ingress.kind to ingress" in mistake.remedy


@pytest.mark.parametrize(
    ("asked", "keys"),
    [
        ({}, ["ingress.auth"]),
        ({"tls": {"kind": "controller"}}, ["ingress.auth"]),
        ({"auth": "apiKey"}, ["ingress.tls"]),
        ({"auth": "apiKey", "tls": {"kind": "controller"}}, []),
        ({"enabled": False}, []),
        ({"enabled": False, "auth": "apiKey"}, []),
    ],
)
def test_an_open_door_and_a_key_in_clear_are_each_warned_of_once(
    asked: dict[str, Any], keys: list[str]
) -> None:
    found = list(ingress_warnings(Ingress.model_validate({"host": "llm.example.com"} | asked)))
    assert [warning.partition(":")[0] for warning in found] == keys


def test_a_stack_without_a_way_in_says_so() -> None:
    names = Names(app="vllm", namespace="llm", stack="dev")
    assert plan_exposure(names, stack_settings(())) is None
    assert ingress_line(None) == "ingress: none; reachable only from inside the cluster"
