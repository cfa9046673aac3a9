"""Components that the full tier adds: KEDA, its HTTP add-on, Traefik and LeaderWorkerSet."""

import sys

from sandbox import prometheus
from sandbox.namespace import python_environment
from sandbox.probes import DnsProbe, HttpProbe, TcpProbe
from sandbox.processes import Component
from sandbox.state import Run, Settings
from tools import locate

NAMESPACE = "keda"
SCALER_SERVICE = "keda-add-ons-http-external-scaler"
ADMIN_SERVICE = "keda-add-ons-http-interceptor-admin"
_LOGGING = ("--zap-log-level=info", "--zap-encoder=console")
_KEDA_ENVIRONMENT = {
    "POD_NAMESPACE": NAMESPACE,
    "KEDA_CLUSTER_OBJECT_NAMESPACE": NAMESPACE,
    "WATCH_NAMESPACE": "",
}


def components(settings: Settings, run: Run) -> tuple[Component, ...]:
    """Return the components that the full tier adds to the core tier.

    Where all addresses of pods are local, a process answers at them.
    """
    own = (_resolver(settings), _model_stand_in(settings)) if run.mode == "namespace" else ()
    return (
        *own,
        _keda_operator(settings),
        _keda_adapter(settings),
        _keda_webhooks(settings),
        _http_operator(settings),
        _http_interceptor(settings),
        _http_scaler(settings),
        _traefik(settings, run.address),
        _leader_worker_set(settings),
        *((prometheus.component(settings),) if run.prometheus else ()),
    )


def _resolver(settings: Settings) -> Component:
    port = settings.ports.dns
    return Component(
        name="resolver",
        command=(sys.executable, "-m", "sandbox.resolver", str(port)),
        environment=python_environment(),
        probe=DnsProbe(port=port),
    )


def _model_stand_in(settings: Settings) -> Component:
    ports = settings.ports
    return Component(
        name="model-stand-in",
        command=(
            sys.executable,
            "-m",
            "sandbox.model_stand_in",
            str(ports.model),
            str(ports.stand_in_control),
        ),
        environment=python_environment(),
        probe=HttpProbe(port=ports.stand_in_control, path="/pods"),
    )


def _keda_operator(settings: Settings) -> Component:
    ports = settings.ports
    return Component(
        name="keda-operator",
        command=(
            str(locate.program("keda-operator")),
            f"--kubeconfig={settings.kubeconfig}",
            f"--cert-dir={settings.pki}/keda",
            f"--metrics-bind-address=127.0.0.1:{ports.keda_operator_metrics}",
            f"--health-probe-bind-address=127.0.0.1:{ports.keda_operator_health}",
            f"--metrics-service-bind-address=127.0.0.1:{ports.keda_grpc}",
            *_LOGGING,
        ),
        environment=_KEDA_ENVIRONMENT,
        probe=HttpProbe(port=ports.keda_operator_health, path="/readyz"),
    )


def _keda_adapter(settings: Settings) -> Component:
    ports = settings.ports
    purposes = ("", "lister-", "authentication-", "authorization-")
    return Component(
        name="keda-adapter",
        command=(
            str(locate.program("keda-adapter")),
            *(f"--{purpose}kubeconfig={settings.kubeconfig}" for purpose in purposes),
            "--bind-address=127.0.0.1",
            f"--secure-port={ports.keda_adapter}",
            f"--cert-dir={settings.pki}/keda",
            f"--tls-cert-file={settings.pki}/keda/tls.crt",
            f"--tls-private-key-file={settings.pki}/keda/tls.key",
            f"--metrics-service-address=localhost:{ports.keda_grpc}",
            f"--port={ports.keda_adapter_metrics}",
        ),
        environment=_KEDA_ENVIRONMENT,
        # Through the API server, so that ready means that the aggregated API is served.
        probe=HttpProbe(
            port=ports.apiserver,
            path="/apis/external.metrics.k8s.io/v1beta1",
            tls=True,
            credentials=settings.pki,
        ),
    )


def _keda_webhooks(settings: Settings) -> Component:
    ports = settings.ports
    return Component(
        name="keda-webhooks",
        command=(
            str(locate.program("keda-webhooks")),
            f"--kubeconfig={settings.kubeconfig}",
            f"--cert-dir={settings.pki}/keda",
            f"--port={ports.keda_webhooks}",
            "--metrics-bind-address=0",
            f"--health-probe-bind-address=127.0.0.1:{ports.keda_webhooks_health}",
            *_LOGGING,
        ),
        environment=_KEDA_ENVIRONMENT,
        probe=HttpProbe(port=ports.keda_webhooks_health, path="/readyz"),
    )


def _http_operator(settings: Settings) -> Component:
    ports = settings.ports
    return Component(
        name="http-add-on-operator",
        command=(
            str(locate.program("http-add-on-operator")),
            f"--kubeconfig={settings.kubeconfig}",
            "--metrics-bind-address=0",
            f"--health-probe-bind-address=127.0.0.1:{ports.http_operator_health}",
            *_LOGGING,
        ),
        environment={
            "KEDA_HTTP_OPERATOR_NAMESPACE": NAMESPACE,
            "KEDA_HTTP_OPERATOR_EXTERNAL_SCALER_SERVICE": SCALER_SERVICE,
            "KEDA_HTTP_OPERATOR_EXTERNAL_SCALER_PORT": str(ports.external_scaler),
        },
        probe=HttpProbe(port=ports.http_operator_health, path="/readyz"),
    )


def _http_interceptor(settings: Settings) -> Component:
    ports = settings.ports
    return Component(
        name="http-add-on-interceptor",
        command=(
            str(locate.program("http-add-on-interceptor")),
            f"--kubeconfig={settings.kubeconfig}",
            *_LOGGING,
        ),
        environment={
            "KEDA_HTTP_PROXY_PORT": str(ports.interceptor_proxy),
            # The chart's 9090 is the scaler's here, where both share one address.
            "KEDA_HTTP_ADMIN_PORT": str(ports.interceptor_admin),
            "KEDA_HTTP_SHUTDOWN_DELAY": "0s",
            # Of its own it has 300 s; so an answer of over 10 s shows that a route's limit holds.
            "KEDA_HTTP_RESPONSE_HEADER_TIMEOUT": "10s",
            "OTEL_PROM_EXPORTER_PORT": str(ports.interceptor_metrics),
        },
        probe=HttpProbe(port=ports.interceptor_admin, path="/readyz"),
    )


def _http_scaler(settings: Settings) -> Component:
    ports = settings.ports
    return Component(
        name="http-add-on-scaler",
        command=(
            str(locate.program("http-add-on-scaler")),
            f"--kubeconfig={settings.kubeconfig}",
            *_LOGGING,
        ),
        environment={
            "KEDA_HTTP_SCALER_TARGET_ADMIN_NAMESPACE": NAMESPACE,
            "KEDA_HTTP_SCALER_TARGET_ADMIN_SERVICE": ADMIN_SERVICE,
            "KEDA_HTTP_SCALER_TARGET_ADMIN_DEPLOYMENT": "keda-add-ons-http-interceptor",
            "KEDA_HTTP_SCALER_TARGET_ADMIN_PORT": str(ports.interceptor_admin),
            "KEDA_HTTP_SCALER_PORT": str(ports.external_scaler),
            "OTEL_PROM_EXPORTER_PORT": str(ports.scaler_metrics),
        },
        probe=TcpProbe(port=ports.external_scaler),
    )


def _traefik(settings: Settings, address: str) -> Component:
    ports = settings.ports
    return Component(
        name="traefik",
        command=(
            str(locate.program("traefik")),
            f"--entrypoints.web.address=127.0.0.1:{ports.ingress}",
            f"--entrypoints.websecure.address=127.0.0.1:{ports.ingress_tls}",
            # With a certificate of Traefik's own where a route names none.
            "--entrypoints.websecure.http.tls=true",
            f"--entrypoints.ping.address=127.0.0.1:{ports.ingress_ping}",
            "--ping=true",
            "--ping.entrypoint=ping",
            "--providers.kubernetesingress=true",
            "--providers.kubernetesingress.allowexternalnameservices=true",
            f"--providers.kubernetesingress.ingressendpoint.ip={address}",
            "--providers.kubernetescrd=true",
            "--providers.kubernetesgateway=true",
            f"--providers.kubernetesgateway.statusaddress.ip={address}",
            "--providers.kubernetescrd.allowexternalnameservices=true",
            "--log.level=INFO",
            "--log.nocolor=true",
            "--global.checknewversion=false",
            "--global.sendanonymoususage=false",
            "--api=false",
        ),
        # It knows no other way to be told where the cluster is.
        environment={"KUBECONFIG": str(settings.kubeconfig)},
        probe=HttpProbe(port=ports.ingress_ping, path="/ping"),
    )


def _leader_worker_set(settings: Settings) -> Component:
    return Component(
        name="lws",
        command=(
            str(locate.program("lws")),
            f"--kubeconfig={settings.kubeconfig}",
            f"--config={settings.lws}",
            *_LOGGING,
        ),
        # Not its own /readyz, which answers before the webhooks do.
        probe=TcpProbe(port=settings.ports.lws_webhooks),
    )
