"""Components of the core tier: the Kubernetes control plane and the simulated nodes."""

from sandbox.probes import HttpProbe
from sandbox.processes import Component
from sandbox.state import ALIAS, POD_NETWORK, Settings
from tools import locate


def etcd(settings: Settings) -> Component:
    """Describe the store; without fsync, since a sandbox's data need not survive a power cut."""
    client = f"http://127.0.0.1:{settings.ports.etcd}"
    peer = f"http://127.0.0.1:{settings.ports.etcd_peer}"
    return Component(
        name="etcd",
        command=(
            str(locate.program("etcd")),
            f"--data-dir={settings.etcd_data}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ),
        probe=HttpProbe(port=settings.ports.etcd, path="/readyz"),
    )


def apiserver(settings: Settings) -> Component:
    """Describe the API server, with the front-proxy certificates that aggregated APIs need."""
    pki = settings.pki
    return Component(
        name="kube-apiserver",
        command=(
            str(locate.program("kube-apiserver")),
            f"--etcd-servers=http://127.0.0.1:{settings.ports.etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={settings.ports.apiserver}",
            # It ends at once when it finds no default route and is told no address.
            f"--advertise-address={ALIAS}",
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=Node,RBAC",
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            f"--client-ca-file={pki}/ca.crt",
            f"--service-account-key-file={pki}/service-account.key",
            f"--service-account-signing-key-file={pki}/service-account.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={pki}/front-proxy-client.crt",
            f"--proxy-client-key-file={pki}/front-proxy-client.key",
        ),
        probe=HttpProbe(port=settings.ports.apiserver, path="/readyz", tls=True),
    )


def controller_manager(settings: Settings) -> Component:
    """Describe the controllers; autoscaling reacts in seconds, so that a test can watch it."""
    return Component(
        name="kube-controller-manager",
        command=(
            str(locate.program("kube-controller-manager")),
            *_kubeconfigs(settings),
            "--bind-address=127.0.0.1",
            f"--secure-port={settings.ports.controller_manager}",
            "--leader-elect=false",
            # With the default of 20 requests a second, three dozen new nodes keep it busy for 3 s.
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            f"--service-account-private-key-file={settings.pki}/service-account.key",
            f"--root-ca-file={settings.pki}/ca.crt",
            "--horizontal-pod-autoscaler-sync-period=5s",
            "--horizontal-pod-autoscaler-downscale-stabilization=15s",
        ),
        probe=HttpProbe(port=settings.ports.controller_manager, path="/healthz", tls=True),
    )


def scheduler(settings: Settings) -> Component:
    """Describe the component that binds pods to simulated nodes."""
    return Component(
        name="kube-scheduler",
        command=(
            str(locate.program("kube-scheduler")),
            *_kubeconfigs(settings),
            "--bind-address=127.0.0.1",
            f"--secure-port={settings.ports.scheduler}",
            "--leader-elect=false",
        ),
        probe=HttpProbe(port=settings.ports.scheduler, path="/healthz", tls=True),
    )


def kwok(settings: Settings) -> Component:
    """Describe the stand-in for kubelets, volume provisioner and load balancer."""
    return Component(
        name="kwok",
        command=(
            str(locate.program("kwok")),
            f"--kubeconfig={settings.kubeconfig}",
            f"--config={settings.stages}",
            "--manage-all-nodes=false",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
            "--node-lease-duration-seconds=40",
            f"--server-address=127.0.0.1:{settings.ports.kwok}",
            f"--cidr={POD_NETWORK}",
        ),
        probe=HttpProbe(port=settings.ports.kwok, path="/healthz"),
    )


def _kubeconfigs(settings: Settings) -> tuple[str, ...]:
    purposes = ("", "authentication-", "authorization-")
    return tuple(f"--{purpose}kubeconfig={settings.kubeconfig}" for purpose in purposes)
