"""Names and labels of the app's objects; all of them can be known before anything exists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Component = Literal["server", "cache", "ingress", "autoscaler", "namespace"]

PART_OF = "mistral-vllm"
PORT = 8000
"""The port vLLM listens on, its own default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Physical names: fixed for what others address or what must not exist twice."""

    app: str
    namespace: str

    @property
    def server(self) -> str:
        """Deployment, Service and ServiceAccount of the server."""
        return self.app

    @property
    def cache(self) -> str:
        """The claim of the model cache."""
        return f"{self.app}-cache"

    @property
    def interceptor(self) -> str:
        """The Service in the app's namespace that stands for the HTTP add-on's interceptor."""
        return f"{self.app}-interceptor"

    @property
    def service_host(self) -> str:
        """Where other pods of the cluster reach the server."""
        return f"{self.server}.{self.namespace}.svc.cluster.local"


def selector(names: Names, component: Component) -> dict[str, str]:
    """Labels that select a component's pods; a selector is immutable, so it holds no version."""
    return {
        "app.kubernetes.io/name": "vllm",
        "app.kubernetes.io/instance": names.app,
        "app.kubernetes.io/component": component,
    }


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


def image_version(image: str) -> str:
    """The tag of an image, or the first 12 digits of its digest, as a label's value."""
    if "@sha256:" in image:
        return image.rpartition(":")[2][:12]
    return image.rpartition(":")[2]
