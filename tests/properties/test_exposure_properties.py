"""What must hold of the address for every way in that the settings accept."""

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from hypothesis import assume, event, example, given, settings
from hypothesis import strategies as st

from manifests.gateway import gateway_resources
from manifests.ingress import ingress_args
from planning.errors import PlanError
from planning.exposure import GatewayExposure, IngressExposure
from planning.outputs import stack_outputs
from planning.plan import Plan
from settings.ingress import Ingress, ingress_mistakes
from tests.choices import planned, preset

PRESETS = [preset("l4")]
unhurried = settings(deadline=None, max_examples=320)

PARTS = st.sampled_from(
    [
        *("{app}", "{namespace}", "{stack}", "{domain}", ".", ".", ".", "-", "llm", "Example"),
        *("com", "localhost", "0", "1", "0x1", "*", ":80", "https://", "/", "_", "ß", "x" * 40),
    ]
)
HOSTS = st.one_of(
    st.none(),
    st.lists(PARTS, min_size=1, max_size=8).map("".join),
    st.from_regex(r"\A[A-Za-z0-9-]{1,20}(\.[A-Za-z0-9{}-]{1,20}){0,3}\Z"),
    st.sampled_from(["{app}.example.com", "{app}.{namespace}.{domain}", "LLM.example.com"]),
)
DOMAINS = st.sampled_from([None, "example.com", "Example.org", "{stack}.localhost", "10", ""])
NAMES = st.one_of(st.from_regex(r"\A[a-z]([-a-z0-9]{0,38}[a-z0-9])?\Z"), st.just("a" * 40))
NAMESPACES = st.one_of(
    st.just("llm"), st.from_regex(r"\A[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z"), st.just("n" * 63)
)
STACKS = st.sampled_from(["dev", "Prod", "team-a", "my_stack", "a.b"])
TLS = st.sampled_from(
    [
        None,
        {"secretName": "wild"},
        {"kind": "certManager", "issuer": "ca"},
        {"kind": "certManager", "clusterIssuer": "acme", "secretName": "own"},
        {"kind": "controller"},
    ]
)
KINDS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {"className": "haproxy"},
        {"kind": "gateway", "gateway": {"name": "public", "namespace": "edge"}},
        {"kind": "gateway", "gateway": {"name": "public", "sectionName": "web"}},
    ]
)


TRAEFIK = "traefik.ingress.kubernetes.io/router."
ANNOTATIONS = st.dictionaries(
    st.sampled_from(
        [
            *(TRAEFIK + option for option in ("tls", "TLS", "tls.certresolver", "tls.options")),
            *(TRAEFIK + option for option in ("Tls.domains.0.main", "priority", "entryPoints")),
            *("cert-manager.io/issuer", "cert-manager.io/cluster-issuer"),
            "external-dns.alpha.kubernetes.io/ttl",
        ]
    ),
    st.sampled_from(["true", "false", "acme", "60"]),
    max_size=2,
)


WITH_VALUES: tuple[tuple[str, st.SearchStrategy[Any]], ...] = (
    ("host", HOSTS),
    ("domain", DOMAINS),
    ("tls", TLS),
    ("annotations", ANNOTATIONS),
)


@st.composite
def ingresses(draw: st.DrawFn) -> dict[str, Any]:
    """The keys of `ingress`, right or wrong."""
    asked: dict[str, Any] = {"enabled": True, **draw(KINDS)}
    for key, values in WITH_VALUES:
        value: object = draw(values)
        if value is not None:
            asked[key] = value
    return asked


def served(plan: Plan) -> tuple[str, str, str]:
    """Scheme, host and path of the object that goes to the cluster."""
    match plan.ingress:
        case IngressExposure():
            made: Any = ingress_args(plan, plan.ingress)
            spec = made.spec
            (rule,) = spec.rules
            (path,) = rule.http.paths
            if spec.tls:
                (tls,) = spec.tls
                assert tls.hosts == [rule.host]
            encrypted = bool(spec.tls)
            if spec.ingress_class_name.startswith("traefik"):
                # For Traefik a router with any option of TLS is one of TLS, and no other is.
                annotations: dict[str, str] = made.metadata.annotations
                options = {key.lower() for key in annotations if annotations[key] != "false"}
                encrypted = any(key.startswith(f"{TRAEFIK}tls") for key in options)
            return "https" if encrypted else "http", rule.host, path.path
        case GatewayExposure():
            route = gateway_resources(plan, plan.ingress)[-1].spec
            (rule,), (host,) = route["rules"], route["hostnames"]
            (match,) = rule["matches"]
            # The route does not say which listener of the Gateway is one of TLS: the stack does.
            return "https" if plan.ingress.tls else "http", host, match["path"]["value"]
        case None:
            raise AssertionError("an enabled way in was not planned")


@unhurried
@given(ingresses(), NAMES, NAMESPACES, STACKS, st.booleans())
@example({"enabled": True, "host": "{app}.example.com"}, "vllm", "llm", "dev", False)
@example({"enabled": True, "domain": "example.com"}, "a" * 40, "n" * 63, "dev", True)
@example(
    {"enabled": True, "host": "a.example.com", "annotations": {f"{TRAEFIK}tls.options": "x"}},
    *("vllm", "llm", "dev", False),
)
def test_every_address_in_the_outputs_is_valid_lower_case_and_what_the_object_serves(
    ingress: dict[str, Any], name: str, namespace: str, stack: str, scaled: bool
) -> None:
    keys: dict[str, Any] = {
        "name": name,
        "namespace": {"name": namespace},
        "autoscaling": {"enabled": scaled, "maxReplicas": 1},
        "revision": "0" * 40,
    }
    assume(not [*ingress_mistakes(Ingress.model_validate(ingress))])
    try:
        plan = planned(PRESETS, stack=stack, ingress=ingress, **keys)
    except PlanError as error:
        event("the host is refused")
        if all(mistake.key == "ingress.host" for mistake in error.mistakes):
            return
        raise
    event("the host is accepted")
    outputs = stack_outputs(plan)
    scheme, host, path = served(plan)
    assert outputs["appHost"] == f"{scheme}://{host}"
    assert outputs["apiBaseUrl"] == f"{scheme}://{host}{path}"
    assert str(outputs["chatCompletionsUrl"]).startswith(f"{scheme}://{host}{path}/")
    # By a port of another scheme, Traefik would answer otherwise than the object says.
    of_an_ingress = isinstance(plan.ingress, IngressExposure)
    named = of_an_ingress and f"{TRAEFIK}entryPoints" in ingress.get("annotations", {})
    assert any("entrypoints" in warning for warning in plan.warnings) == named
    for key in ("appHost", "apiBaseUrl", "chatCompletionsUrl", "internalUrl"):
        assert_is_an_address(str(outputs[key]))


def assert_is_an_address(url: str) -> None:
    parts = urlsplit(url)
    assert url == url.lower()
    assert parts.scheme in {"http", "https"}
    assert (parts.query, parts.fragment, parts.username) == ("", "", None)
    host = parts.hostname or ""
    assert 0 < len(host) <= 253
    for label in host.split("."):
        assert 0 < len(label) <= 63
        assert label.isascii()
        assert label.replace("-", "").isalnum()
        assert label.strip("-") == label
    last = host.rpartition(".")[2]
    assert not last.isdigit()
    assert not last.startswith("0x") or not all(c in "0123456789abcdef" for c in last[2:])
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return
    raise AssertionError(f"{url} is an IP address")
