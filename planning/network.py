"""Who may talk to the app's pods, and to whom they may talk, as rules of NetworkPolicies.

Policies only ever add up, so that one denies everything to every pod of the app, and each of the
others opens what one component needs, or what one kind of caller may. A caller's policy has a name
of its own: where another takes its place, Pulumi makes the new one before it changes the
ingress, and deletes the old one after everything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from planning.auth import PROXY_PORT
from planning.download import has_download
from planning.names import PORT, Names, selector
from planning.network_rules import (
    INTERCEPTOR_KEY,
    NamedNamespace,
    NetworkPlan,
    Peer,
    Policy,
    Port,
    Rule,
)
from settings.auth import ANY_CONTROLLER
from settings.models import StackSettings
from settings.network import HUB_VARIABLES, Network, endpoint_port
from settings.variables import plain

_HTTPS = 443
"""The port of the Hugging Face Hub, and of the storage that it redirects to."""


def plan_network(names: Names, settings: StackSettings, *, nodes: int) -> NetworkPlan | None:
    """Plan the policies, or none where they are disabled.

    Args:
        names: of the app.
        settings: the checked stack config.
        nodes: of one replica; the pods of several talk to one another.
    """
    if not settings.network.enabled:
        return None
    return NetworkPlan(
        policies=tuple(_policies(names, settings, nodes)),
        namespaces=tuple(_namespaces(names, settings)),
    )


def network_warnings(settings: StackSettings) -> Iterator[str]:
    """Warn where the policies leave nobody who may call, or perhaps not those who should."""
    open_to = settings.ingress.enabled or settings.autoscaling.enabled or settings.network.clients
    if settings.network.enabled and not open_to:
        yield (
            "network.clients: is empty, and ingress.enabled is false, so no pod may call the "
            "server; name the namespaces of those that should"
        )
    yield from _gateway_warnings(settings)
    auth = settings.ingress.auth.kind
    if settings.ingress.enabled and not settings.network.enabled and auth not in ANY_CONTROLLER:
        yield (
            f"network.enabled: false, and ingress.auth {auth} is checked at the ingress only, so "
            "every pod of the cluster reaches the server past it; set it to true, close the "
            "namespace by policies of your own, or set ingress.auth to apiKey"
        )


def _gateway_warnings(settings: StackSettings) -> Iterator[str]:
    """Warn where nobody has said in which namespace the proxies of a Gateway run.

    Envoy Gateway runs them in its controller's, unless told otherwise (gateway.envoyproxy.io,
    Gateway Namespace Mode).
    """
    asked, ingress = settings.network, settings.ingress
    calls = ingress.enabled and not settings.autoscaling.enabled
    other = ingress.kind == "gateway" and ingress.answered_by != "traefik"
    if asked.enabled and calls and other and asked.ingress_namespaces is None:
        yield (
            "network.ingressNamespaces: is not set, so the proxies of the Gateway are expected in "
            "its namespace, and no others may call the server; name the namespace where they run, "
            "which with Envoy Gateway is its controller's (envoy-gateway-system)"
        )


def _policies(names: Names, settings: StackSettings, nodes: int) -> Iterator[Policy]:
    yield Policy(role="default", component=None, egress=(_dns(settings.network),))
    yield from _callers(names, settings)
    downloads = (_hub(settings),)
    if has_download(settings.cache.kind):
        yield Policy(role="download", component="download", egress=downloads)
    else:
        yield Policy(role="server-download", component="server", egress=downloads)
    if nodes > 1:
        yield _group(names)
    if _asks_for_tokens(settings):
        yield _authentication(names, settings)


def _callers(names: Names, settings: StackSettings) -> Iterator[Policy]:
    asked = settings.network
    if settings.autoscaling.enabled:
        interceptor = (Peer(namespace=settings.autoscaling.interceptor.namespace),)
        yield from _caller("interceptor", "requests that the interceptor counts", interceptor)
    elif settings.ingress.enabled:
        controller = _in_namespaces(_controller_namespaces(names, settings))
        yield from _caller("controller", "requests of the ingress controller", controller)
    monitoring = _in_namespaces(_monitoring_namespaces(asked))
    yield from _caller("monitoring", "metrics, which have the server's port", monitoring)
    clients = tuple(
        Peer(namespace=c.namespace, pod_labels=tuple(sorted(c.pod_labels.items())), cidr=c.cidr)
        for c in asked.clients
    )
    yield from _caller("clients", "requests of `network.clients`", clients)


def _caller(who: str, purpose: str, peers: tuple[Peer, ...]) -> Iterator[Policy]:
    rules = tuple(_rule(purpose, peers, (Port(number=PORT),)))
    if rules:
        yield Policy(role=f"server-{who}", component="server", ingress=rules)


def _rule(purpose: str, peers: tuple[Peer, ...], ports: tuple[Port, ...]) -> Iterator[Rule]:
    # A rule without peers would let everybody in.
    if peers:
        yield Rule(purpose=purpose, peers=peers, ports=ports)


def _dns(asked: Network) -> Rule:
    addresses = (Peer(cidr=cidr) for cidr in asked.dns.cidrs)
    return Rule(
        purpose="names",
        peers=(Peer(namespace=asked.dns.namespace), *addresses),
        ports=(
            Port(number=asked.dns.port, protocol="UDP"),
            Port(number=asked.dns.port, protocol="TCP"),
        ),
    )


def _hub(settings: StackSettings) -> Rule:
    """Open the ports of the Hub, and of a mirror or proxy that `extraEnv` names."""
    env = plain(settings.extra_env)
    named = (endpoint_port(env[name]) for name in HUB_VARIABLES if name in env)
    ports = {_HTTPS, *(port for port in named if port is not None)}
    return Rule(
        purpose="the model's files", peers=_outside(settings), ports=tuple(_tcp(sorted(ports)))
    )


def _group(names: Names) -> Policy:
    """Let the pods of groups talk on all ports; torch picks those of NCCL and Gloo at random.

    A selector cannot say "of the same group", so that groups of one server reach each other.
    """
    server = (Peer(pod_labels=tuple(sorted(selector(names, "server").items()))),)
    each_other = (Rule(purpose="pods of one group", peers=server, ports=()),)
    return Policy(role="group", component="server", ingress=each_other, egress=each_other)


def _authentication(names: Names, settings: StackSettings) -> Policy:
    """Let the controller ask oauth2-proxy, which reads its issuer's keys."""
    # A controller in the network of its node has no namespace that a policy sees.
    addresses = tuple(Peer(cidr=c.cidr) for c in settings.network.clients if c.cidr is not None)
    asker = (*_in_namespaces(_controller_namespaces(names, settings)), *addresses)
    ports = {_HTTPS, endpoint_port(settings.ingress.auth.issuer or "") or _HTTPS}
    issuer = Rule(
        purpose="keys of the issuer", peers=_outside(settings), ports=tuple(_tcp(sorted(ports)))
    )
    return Policy(
        role="authentication",
        component="authentication",
        ingress=tuple(_rule("tokens of callers", asker, (Port(number=PROXY_PORT),))),
        egress=(issuer,),
    )


def _outside(settings: StackSettings) -> tuple[Peer, ...]:
    return tuple(Peer(cidr=cidr) for cidr in settings.network.egress_cidrs)


def _tcp(numbers: Iterable[int]) -> Iterator[Port]:
    return (Port(number=number) for number in numbers)


def _asks_for_tokens(settings: StackSettings) -> bool:
    return settings.ingress.enabled and settings.ingress.auth.kind == "oidc"


def _in_namespaces(names: tuple[str, ...]) -> tuple[Peer, ...]:
    return tuple(Peer(namespace=name) for name in names)


def _controller_namespaces(names: Names, settings: StackSettings) -> tuple[str, ...]:
    asked, ingress = settings.network.ingress_namespaces, settings.ingress
    if asked is not None:
        return asked
    if ingress.kind == "ingress" or ingress.gateway is None or ingress.answered_by == "traefik":
        # For a Gateway, too, Traefik starts no proxies: it is one.
        return ("traefik",)
    # Istio, kgateway and NGINX Gateway Fabric start their proxies beside the Gateway.
    return (ingress.gateway.namespace or names.namespace,)


def _monitoring_namespaces(asked: Network) -> tuple[str, ...]:
    given = asked.monitoring_namespaces
    return ("monitoring",) if given is None else given


def monitoring_warnings(settings: StackSettings) -> Iterator[str]:
    """Warn where the autoscaler asks a Prometheus that the server's pods may not let in."""
    scaling, asked = settings.autoscaling, settings.network
    reads = scaling.enabled and asked.enabled and scaling.reads_prometheus
    if not reads or scaling.prometheus is None:
        return
    # Another host than <service>.<namespace>[.svc...] may be anywhere.
    _, *inside = (urlsplit(scaling.prometheus.address).hostname or "").split(".")
    named = _monitoring_namespaces(asked)
    if inside and inside[1:2] in ([], ["svc"]) and inside[0] not in named:
        yield (
            f"network.monitoringNamespaces: the Prometheus of autoscaling.prometheus is in "
            f"namespace {inside[0]}, and /metrics is open to {' and '.join(named) or 'nobody'}; "
            "name the namespace of what scrapes the pods, or the signals stay unknown"
        )


def _namespaces(names: Names, settings: StackSettings) -> Iterator[NamedNamespace]:
    """Name those of callers; a cluster without monitoring needs no namespace for it."""
    for key, space in _named_namespaces(names, settings):
        # The stack may be about to make its own.
        if space != names.namespace:
            yield NamedNamespace(name=space, key=key)


def _named_namespaces(names: Names, settings: StackSettings) -> Iterator[tuple[str, str]]:
    asked, scaled = settings.network, settings.autoscaling.enabled
    if scaled:
        yield INTERCEPTOR_KEY, settings.autoscaling.interceptor.namespace
    if settings.ingress.enabled and (_asks_for_tokens(settings) or not scaled):
        for space in _controller_namespaces(names, settings):
            yield "network.ingressNamespaces", space
    for space in asked.monitoring_namespaces or ():
        yield "network.monitoringNamespaces", space
    for client in asked.clients:
        if client.namespace is not None:
            yield "network.clients", client.namespace
