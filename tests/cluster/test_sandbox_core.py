"""What programs that deploy to the sandbox rely on, in its core tier."""

import itertools
from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.cluster.sandboxes import PATIENCE_SECONDS, Sandbox

pytestmark = pytest.mark.cluster

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  nodeSelector: {selector}
  tolerations: {tolerations}
  containers:
  - {{name: main, image: "example.com/main:1", resources: {{limits: {limits}}}}}
"""


_NUMBERS = itertools.count(1)


@pytest.fixture
def namespace(sandbox: Sandbox, request: pytest.FixtureRequest) -> Iterator[str]:
    """One of each test's own: the one before may still be ending."""
    name = request.node.originalname.replace("_", "-")[:40].rstrip("-")
    with sandbox.namespace(f"{name}-{next(_NUMBERS)}") as made:
        yield made


@pytest.mark.parametrize(
    ("selector", "limits", "pool"),
    [
        ("{nvidia.com/gpu.product: NVIDIA-L4}", "{nvidia.com/gpu: 1}", "nvidia-l4-"),
        ("{nvidia.com/gpu.memory: '81559'}", "{nvidia.com/gpu: 8}", "nvidia-h100-x8-"),
        ("{amd.com/gpu.device-id: 74a1}", "{amd.com/gpu: 8}", "amd-mi300x-x8-"),
        ("{beta.amd.com/gpu.vram.256G: '8'}", "{amd.com/gpu: 4}", "amd-mi325x-x8-"),
    ],
)
def test_a_gpu_pod_runs_in_the_pool_it_selects(
    sandbox: Sandbox, namespace: str, selector: str, limits: str, pool: str
) -> None:
    tolerations = f"[{{key: {limits[1:].partition(':')[0]}, operator: Exists, effect: NoSchedule}}]"
    pod = POD.format(
        name="gpu", namespace=namespace, selector=selector, tolerations=tolerations, limits=limits
    )
    sandbox.apply(pod)
    sandbox.eventually("Running", "get", "pod", "gpu", f"--namespace={namespace}")
    node = sandbox.kubectl_json("get", "pod", "gpu", f"--namespace={namespace}")["spec"]["nodeName"]
    assert node.startswith(pool)


def test_a_gpu_pod_without_toleration_stays_pending_for_the_reason_of_a_real_scheduler(
    sandbox: Sandbox, namespace: str
) -> None:
    pod = POD.format(
        name="gpu",
        namespace=namespace,
        selector="{}",
        tolerations="[]",
        limits="{nvidia.com/gpu: 1}",
    )
    sandbox.apply(pod)
    reason = sandbox.eventually("FailedScheduling", "get", "events", f"--namespace={namespace}")
    assert "untolerated taint" in reason
    assert "Insufficient nvidia.com/gpu" in reason
    phase = sandbox.kubectl(
        "get", "pod", "gpu", f"--namespace={namespace}", "--output=jsonpath={.status.phase}"
    )
    assert phase == "Pending"


@pytest.mark.parametrize("storage_class", ["standard", "standard-rwx", ""])
def test_a_claim_is_bound_without_a_warning_and_its_volume_ends_with_it(
    sandbox: Sandbox, namespace: str, storage_class: str
) -> None:
    chosen = f"storageClassName: {storage_class}, " if storage_class else ""
    sandbox.apply(f"""
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: cache, namespace: {namespace}}}
spec: {{{chosen}accessModes: [ReadWriteMany], resources: {{requests: {{storage: 200Gi}}}}}}
""")
    sandbox.eventually("Bound", "get", "pvc", f"--namespace={namespace}")
    claim = sandbox.kubectl_json("get", "pvc", "cache", f"--namespace={namespace}")
    assert claim["status"]["capacity"] == {"storage": "200Gi"}
    events = sandbox.kubectl_json("get", "events", f"--namespace={namespace}")["items"]
    assert [event for event in events if event["type"] != "Normal"] == []
    sandbox.kubectl("delete", "pvc", "cache", f"--namespace={namespace}")
    volume = f"pv/{claim['spec']['volumeName']}"
    sandbox.kubectl("wait", "--for=delete", volume, f"--timeout={PATIENCE_SECONDS:.0f}s")


def test_a_claim_can_be_expanded(sandbox: Sandbox, namespace: str) -> None:
    sandbox.apply(f"""
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: cache, namespace: {namespace}}}
spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 200Gi}}}}}}
""")
    sandbox.eventually("Bound", "get", "pvc", f"--namespace={namespace}")
    patch = '{"spec": {"resources": {"requests": {"storage": "300Gi"}}}}'
    sandbox.kubectl("patch", "pvc", "cache", f"--namespace={namespace}", f"--patch={patch}")
    sandbox.eventually("300Gi", "get", "pvc", f"--namespace={namespace}")


def test_an_ingress_and_a_load_balancer_get_addresses(sandbox: Sandbox, namespace: str) -> None:
    sandbox.apply(f"""
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: {namespace}}}
spec: {{type: LoadBalancer, selector: {{app: web}}, ports: [{{port: 80}}]}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: web, namespace: {namespace}}}
spec:
  ingressClassName: traefik
  defaultBackend: {{service: {{name: web, port: {{number: 80}}}}}}
""")
    for kind in ("service", "ingress"):
        address = "--output=jsonpath={.status.loadBalancer.ingress[0].ip}"
        sandbox.eventually("198.18.0.1", "get", kind, "web", f"--namespace={namespace}", address)


@pytest.mark.parametrize(
    ("manifest", "complaint"),
    [
        (
            "{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: wrong}, "
            "spec: {scaleTargetRef: {name: vllm}, maxReplicaCount: many, triggers: []}}",
            "spec.maxReplicaCount",
        ),
        (
            "{apiVersion: http.keda.sh/v1beta1, kind: InterceptorRoute, metadata: {name: wrong}, "
            "spec: {target: {service: vllm, port: 8000, colour: red}}}",
            "spec.target.colour",
        ),
        (
            "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: wrong}, "
            "spec: {basicAuth: {secret: [1]}}}",
            "spec.basicAuth.secret",
        ),
        (
            "{apiVersion: leaderworkerset.x-k8s.io/v1, kind: LeaderWorkerSet, metadata: "
            "{name: wrong}, spec: {leaderWorkerTemplate: {size: two, workerTemplate: {}}}}",
            "spec.leaderWorkerTemplate.size",
        ),
        (
            "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: wrong}, "
            "spec: {rules: [{timeouts: {request: forever}}]}}",
            "spec.rules[0].timeouts.request",
        ),
        (
            "{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: wrong}, "
            "spec: {secretName: tls, issuerRef: {name: 1}}}",
            "spec.issuerRef.name",
        ),
        (
            "{apiVersion: external-secrets.io/v1, kind: ExternalSecret, metadata: {name: wrong}, "
            "spec: {secretStoreRef: {kind: Vault}}}",
            "spec.secretStoreRef.kind",
        ),
    ],
)
def test_a_wrong_custom_resource_is_refused_by_its_schema(
    sandbox: Sandbox, manifest: str, complaint: str
) -> None:
    done = sandbox.try_kubectl("create", "--filename=-", given=manifest)
    assert done.returncode == 1
    assert complaint in done.stderr


def test_a_restricted_namespace_refuses_a_pod_that_may_run_as_root(sandbox: Sandbox) -> None:
    with sandbox.namespace(
        "restricted", '{"pod-security.kubernetes.io/enforce": restricted}'
    ) as name:
        pod = POD.format(name="root", namespace=name, selector="{}", tolerations="[]", limits="{}")
        done = sandbox.try_kubectl("create", "--filename=-", given=pod)
    assert done.returncode == 1
    assert 'violates PodSecurity "restricted:latest"' in done.stderr
    assert "runAsNonRoot" in done.stderr


def test_the_kubeconfig_is_its_owners_and_names_the_sandbox(sandbox: Sandbox) -> None:
    assert sandbox.kubeconfig.stat().st_mode & 0o777 == 0o600
    assert sandbox.kubectl("config", "current-context").strip() == sandbox.context


def test_an_annotation_holds_up_that_a_pod_becomes_ready(sandbox: Sandbox, namespace: str) -> None:
    pod = POD.format(
        name="slow", namespace=namespace, selector="{}", tolerations="[]", limits="{}"
    ).replace("name: slow", "annotations: {pod-ready.stage.kwok.x-k8s.io/delay: 3s}, name: slow")
    sandbox.apply(pod)
    where = ("pod", "slow", f"--namespace={namespace}")
    sandbox.eventually("Running", "get", *where)
    conditions = sandbox.kubectl_json("get", *where)["status"]["conditions"]
    times = {c["type"]: datetime.fromisoformat(c["lastTransitionTime"]) for c in conditions}
    # Both are cut to whole seconds.
    assert (times["Ready"] - times["PodScheduled"]).total_seconds() >= 2
