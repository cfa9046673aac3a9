"""Objects that the sandbox puts into its own cluster, and questions to its API server."""

import http.client
import json
import ssl
import subprocess
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any, cast

import yaml

from sandbox import nodes, pki
from sandbox.state import MANIFESTS, SandboxError, Settings, Tier
from tools import locate

_CRDS = (
    "keda-crds.yaml",
    "http-add-on-crds.yaml",
    "traefik-crds.yaml",
    "leaderworkerset-crds.yaml",
    "gateway-api-crds.yaml",
)
# No operator of these runs here.
_SPARE_CRDS = ("cert-manager-crds.yaml", "external-secrets-crds.yaml")
# The list that client-go reads at once, which lags behind those of single groups.
_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_GROUPS = {
    "gateway.networking.k8s.io",
    "http.keda.sh",
    "keda.sh",
    "leaderworkerset.x-k8s.io",
    "traefik.io",
}
# KWOK's own volume stages bind claims behind the real controller's back: stages.yaml has others.
_KWOK_KINDS = ("Node", "Pod")
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


def write_stages(settings: Settings, tier: Tier) -> None:
    """Write the stages that KWOK plays: how nodes, pods, volumes and addresses come about."""
    shipped = (locate.manifests() / "kwok-stages.yaml").read_text()
    stages = [
        _delayed_by_annotation(stage)
        for stage in cast("list[dict[str, Any] | None]", list(yaml.safe_load_all(shipped)))
        if stage and stage["spec"]["resourceRef"]["kind"] in _KWOK_KINDS
    ]
    own = ["stages.yaml"] if tier == "full" else ["stages.yaml", "ingress-stage.yaml"]
    texts = [yaml.safe_dump_all(stages), *((MANIFESTS / name).read_text() for name in own)]
    settings.stages.write_text("\n---\n".join(texts))


def _delayed_by_annotation(stage: dict[str, Any]) -> dict[str, Any]:
    """Let an annotation hold a stage up, by the name that KWOK's stages for slow pods give it."""
    annotation = f"{stage['metadata']['name']}.stage.kwok.x-k8s.io/delay"
    given = {"expressionFrom": f'.metadata.annotations["{annotation}"]'}
    delay = {"durationMilliseconds": 0} | stage["spec"].get("delay", {}) | {"durationFrom": given}
    return stage | {"spec": stage["spec"] | {"delay": delay}}


def apply_core(settings: Settings) -> None:
    """Apply nodes, classes and the definitions of custom resources.

    Raises:
        SandboxError: kubectl refuses one.
    """
    listed = {"apiVersion": "v1", "kind": "List", "items": nodes.manifests(nodes.load_pools())}
    _apply(settings, [MANIFESTS / "storage.yaml"], json.dumps(listed))
    _apply(settings, [locate.manifests() / name for name in _CRDS], "")


def apply_spare_definitions(settings: Settings) -> None:
    """Apply the definitions of resources that are only checked.

    Raises:
        SandboxError: kubectl refuses one.
    """
    _apply(settings, [locate.manifests() / name for name in _SPARE_CRDS], "")


def apply_full(settings: Settings, address: str) -> None:
    """Apply Services, aggregated API and webhooks of the operators, and configure LeaderWorkerSet.

    Raises:
        SandboxError: kubectl refuses one.
    """
    ports = settings.ports
    values = {
        "ADDRESS": address,
        "ADAPTER_PORT": ports.keda_adapter,
        "ADMIN_PORT": ports.interceptor_admin,
        "CERTIFICATES": settings.pki / "keda",
        "CA": pki.encoded(settings.pki / "ca.crt"),
        "LWS_HEALTH_PORT": ports.lws_health,
        "LWS_PORT": ports.lws_webhooks,
        "PROXY_PORT": ports.interceptor_proxy,
        "SCALER_PORT": ports.external_scaler,
        "WEBHOOK_PORT": ports.keda_webhooks,
    }
    names = (
        "namespaces.yaml",
        "keda.yaml",
        "keda-webhooks.yaml",
        "http-add-on.yaml",
        "lws-webhooks.yaml",
    )
    text = "\n---\n".join((MANIFESTS / name).read_text() for name in names)
    _apply(settings, [], Template(text).substitute(values))
    configuration = (MANIFESTS / "lws-configuration.yaml").read_text()
    settings.lws.write_text(Template(configuration).substitute(values))


def has_gateway(settings: Settings) -> bool:
    """Apply the Gateway; False while its kind, just defined, is not served yet."""
    text = (MANIFESTS / "gateway.yaml").read_text()
    try:
        _apply(settings, [], Template(text).substitute(INGRESS_PORT=settings.ports.ingress))
    except SandboxError:
        return False
    return True


def all_nodes_ready(settings: Settings) -> bool:
    """Tell whether every node is Ready and free of the taints of a starting one."""
    listed = get(settings, "/api/v1/nodes")
    return bool(listed) and all(
        any(c["type"] == "Ready" and c["status"] == "True" for c in _conditions(node))
        and not any(
            t["key"].startswith("node.kubernetes.io/") for t in node["spec"].get("taints", ())
        )
        for node in listed["items"]
    )


def _conditions(node: dict[str, Any]) -> Sequence[dict[str, Any]]:
    """Return what a node says of itself: nothing until KWOK has seen it."""
    return node["status"].get("conditions", ())


def serves_custom_resources(settings: Settings) -> bool:
    """Tell whether the API server lists the kinds of all operators to their clients."""
    listed = _call(settings, "GET", "/apis", accept=_DISCOVERY).get("items", ())
    served = {
        group["metadata"]["name"]
        for group in listed
        if any(version.get("resources") for version in group["versions"])
    }
    return served >= _GROUPS


def nodes_are_released(settings: Settings) -> bool:
    """Delete the leases that an earlier KWOK holds on the nodes; False if that failed.

    Its successor would otherwise wait for them to run out, and every pod with it.
    """
    return bool(_call(settings, "DELETE", f"{_LEASES}?gracePeriodSeconds=0"))


def get(settings: Settings, path: str) -> dict[str, Any]:
    """Return the object at a path of the API; an empty one when the server does not give it."""
    return _call(settings, "GET", path)


def _call(
    settings: Settings, method: str, path: str, accept: str = "application/json"
) -> dict[str, Any]:
    context = ssl.create_default_context(cafile=str(settings.pki / "ca.crt"))
    context.load_cert_chain(settings.pki / "admin.crt", settings.pki / "admin.key")
    url = f"https://127.0.0.1:{settings.ports.apiserver}{path}"
    direct = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    request = urllib.request.Request(url, method=method, headers={"Accept": accept})
    try:
        with direct.open(request, timeout=5) as answer:
            return cast("dict[str, Any]", json.load(answer))
    except (OSError, http.client.HTTPException):
        return {}


def _apply(settings: Settings, files: Sequence[Path], text: str) -> None:
    sources = [f"--filename={path}" for path in files] + (["--filename=-"] if text else [])
    done = subprocess.run(
        [
            str(locate.program("kubectl")),
            f"--kubeconfig={settings.kubeconfig}",
            f"--cache-dir={settings.directory}/kubectl-cache",
            "apply",
            "--server-side",
            "--force-conflicts",
            "--field-manager=sandbox",
            *sources,
        ],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": str(settings.directory)},
    )
    if done.returncode:
        message = f"kubectl apply failed: {done.stderr.strip()}"
        raise SandboxError(message)
