"""A read-only client for one named kubeconfig context."""

from __future__ import annotations

import os
from pathlib import Path

import httpx2
from lightkube import Client, KubeConfig
from lightkube.core.exceptions import ApiError, ConfigError

TIMEOUT_SECONDS = 5.0
"""A preview waits no longer than this for an answer of the API server."""


class ClusterUnreachableError(Exception):
    """The cluster gave no answer; the message says why, in a clause."""


def connect(context: str) -> Client:
    """Make a client for a context of the kubeconfig that kubectl and Pulumi would read.

    Raises:
        ClusterUnreachableError: no kubeconfig file has the context.
    """
    files = os.environ.get("KUBECONFIG") or "~/.kube/config"
    for file in files.split(os.pathsep):
        if not Path(file).expanduser().is_file():
            continue
        config = KubeConfig.from_file(file)
        if context in config.contexts:
            single = config.get(context)
            return Client(single, timeout=httpx2.Timeout(TIMEOUT_SECONDS), trust_env=False)
    raise ClusterUnreachableError(f"no kubeconfig has a context '{context}'")


def reason(error: Exception) -> str:
    """Say in a clause why a read failed."""
    match error:
        case ApiError():
            return f"the API server answered {error.response.status_code}"
        case httpx2.TimeoutException():
            return f"the API server did not answer within {TIMEOUT_SECONDS:g} s"
        case httpx2.TransportError():
            return f"the API server cannot be reached ({error})"
        case ConfigError() | ClusterUnreachableError():
            return str(error)
        case _:
            raise error
