"""Names and labels of the app's objects; all of them can be known before anything exists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Component = Literal[
    "server",
    "cache",
    "download",
    "ingress",
    "autoscaler",
    "namespace",
    "authentication",
    "network-policy",
]

Pairs = tuple[tuple[str, str], ...]
"""A mapping as sorted pairs, so that a plan is hashable and its order is fixed."""

PART_OF = "mistral-vllm"
STACK = f"{PART_OF}/stack"
"""The annotation that names the stack which made a namespace, a claim or a Service."""

ENFORCE = "pod-security.kubernetes.io/enforce"
"""The label of a namespace that names the Pod Security level of its pods."""

RETAIN = f"{PART_OF}/retain"
"""The annotation of a claim that outlives its stack."""

_LONGEST_LABEL = 63
"""Characters of a label's value (Kubernetes)."""

PORT = 8000
"""The port vLLM listens on, its own default."""

HOME = "/home/vllm"
"""The home of the user of vLLM's images, which the containers may write to."""

COMPONENT = "app.kubernetes.io/component"
"""The label that tells the app's components apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Physical names: fixed for what others address or what must not exist twice, and whose."""

    app: str
    namespace: str
    stack: str

    @property
    def server(self) -> str:
        """Deployment, Service and ServiceAccount of the server."""
        return self.app

    @property
    def groups(self) -> str:
        """The LeaderWorkerSet of a server over several nodes.

        Its controller makes a headless Service of the same name, beside the server's.
        """
        return f"{self.app}-group"

    @property
    def cache(self) -> str:
        """The claim of the model cache."""
        return f"{self.app}-cache"

    @property
    def authentication(self) -> str:
        """The Middleware that asks who calls, and what stands behind it."""
        return f"{self.app}-authentication"

    @property
    def api_key(self) -> str:
        """The Secret with the API key that clients in the cluster use."""
        return f"{self.app}-api-key"

    @property
    def hugging_face_token(self) -> str:
        """The Secret that the External Secrets Operator makes of a token in a store."""
        return f"{self.app}-hugging-face-token"

    @property
    def interceptor(self) -> str:
        """The Service in the app's namespace that stands for the HTTP add-on's interceptor."""
        return f"{self.app}-interceptor"

    @property
    def interceptor_host(self) -> str:
        """Where other pods of the cluster reach the server so that their requests are counted."""
        return f"{self.interceptor}.{self.namespace}.svc.cluster.local"

    def network_policy(self, role: str) -> str:
        """The NetworkPolicy of a role."""
        return f"{self.app}-{role}"

    @property
    def service_host(self) -> str:
        """Where other pods of the cluster reach the server."""
        return f"{self.server}.{self.namespace}.svc.cluster.local"


def selector(names: Names, component: Component) -> dict[str, str]:
    """Labels that select a component's pods; a selector is immutable, so it holds no version."""
    return {**app_selector(names), COMPONENT: component}


def app_selector(names: Names) -> dict[str, str]:
    """Labels that select every pod of the app."""
    return {"app.kubernetes.io/name": "vllm", "app.kubernetes.io/instance": names.app}


def labels(
    names: Names, component: Component, *, version: str, extra: tuple[tuple[str, str], ...]
) -> dict[str, str]:
    """Labels of an object: the user's own first, so that they cannot break the selectors."""
    return dict(sorted(extra)) | {
        **selector(names, component),
        "app.kubernetes.io/managed-by": "pulumi",
        "app.kubernetes.io/part-of": PART_OF,
        "app.kubernetes.io/version": version,
    }


def owner(names: Names) -> dict[str, str]:
    """Annotations of an object that outlives its stack, for a stack that finds it.

    The provider creates over an object that exists. The preflight refuses one of another stack; of
    this one, whatever it wrote before is its own (pulumi-kubernetes, server-side apply).
    """
    return {STACK: names.stack, "pulumi.com/patchForce": "true"}


def image_version(image: str) -> str:
    """The tag of an image, or the first 12 digits of its digest, as a label's value.

    A tag may be twice as long as a label, and begin and end with what a label may not.
    """
    length = 12 if "@sha256:" in image else _LONGEST_LABEL
    return image.rpartition(":")[2].lstrip("_.-")[:length].rstrip("_.-")
