"""A read-only client for one named kubeconfig context."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import yaml
from lightkube import Client, KubeConfig
from lightkube.config.models import NameValue, User, UserExec
from lightkube.core.exceptions import ApiError, ConfigError

TIMEOUT_SECONDS = 5.0
"""A preview waits no longer than this for an answer of the API server."""


class ClusterUnreachableError(Exception):
    """The cluster gave no answer; the message says why, in a clause."""


UNREADABLE = (ApiError, ConfigError, ClusterUnreachableError, httpx2.TransportError)
"""Why a cluster is not read; `reason` tells each."""

_MALFORMED = (OSError, ValueError, TypeError, LookupError, AttributeError, yaml.YAMLError)
_REFUSED = (401, 403)
_EXEC = "client.authentication.k8s.io"


def connect(context: str) -> Client:
    """Make a client for a context of the kubeconfig that kubectl and Pulumi would read.

    Raises:
        ClusterUnreachableError: no kubeconfig file has the context, or one cannot be used.
    """
    files = os.environ.get("KUBECONFIG") or "~/.kube/config"
    for file in files.split(os.pathsep):
        if not Path(file).expanduser().is_file():
            continue
        try:
            config = KubeConfig.from_file(file)
            chosen = config.get(context) if context in config.contexts else None
            if chosen is not None:
                _run_plugin_as_kubectl(chosen.user)
                return Client(chosen, timeout=httpx2.Timeout(TIMEOUT_SECONDS))
        except _MALFORMED as error:
            # A parser's own words may quote a line that holds a token.
            said = str(error) if isinstance(error, OSError) else type(error).__name__
            raise ClusterUnreachableError(f"the kubeconfig cannot be used ({said})") from None
    raise ClusterUnreachableError(f"no kubeconfig has a context '{context}'")


def _run_plugin_as_kubectl(user: User | None) -> None:
    """Take a credential plugin of `v1` too, and tell each its version.

    lightkube 1.0.1 refuses `v1`, whose answer has the token where that of `v1beta1` has it, and
    tells a plugin nothing, without which some end (client_adapter.py; Kubernetes, reference of
    client authentication v1).
    """
    if user is None or user.exec is None:
        return
    plugin = user.exec
    spoken = plugin.apiVersion
    info = {"apiVersion": spoken, "kind": "ExecCredential", "spec": {"interactive": False}}
    told = NameValue("KUBERNETES_EXEC_INFO", json.dumps(info))
    user.exec = UserExec(
        apiVersion=f"{_EXEC}/v1beta1" if spoken == f"{_EXEC}/v1" else spoken,
        command=plugin.command,
        args=plugin.args,
        env=[*(plugin.env or []), told],
    )


@contextmanager
def answers_of_kubernetes() -> Generator[None]:
    """Tell what a proxy answers in place of the API server, or a credential plugin, in a clause.

    Raises:
        ClusterUnreachableError: the answer is none of Kubernetes'.
    """
    try:
        yield
    except (ApiError, ConfigError, httpx2.TransportError):
        raise
    except (httpx2.HTTPStatusError, *_MALFORMED) as error:
        # lightkube fails at an error without a Content-Type while it handles that error.
        cause = error.__context__ if isinstance(error, KeyError) else error
        if isinstance(cause, httpx2.HTTPStatusError):
            code = cause.response.status_code
            who = "the API server, or what stands before it,"
            said = f"{who} answered {code} without a status of Kubernetes"
        else:
            answer = "the answer of the API server, or of the kubeconfig's credential plugin,"
            said = f"{answer} cannot be read ({type(error).__name__}: {error})"
        raise ClusterUnreachableError(said) from None


def is_refused(error: Exception) -> bool:
    """Whether a later question would fail as well: the user may not ask, or cannot."""
    if isinstance(error, ApiError):
        return int(error.response.status_code) in _REFUSED
    return isinstance(error, ConfigError)


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
