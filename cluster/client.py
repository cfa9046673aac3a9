"""A read-only client for one named kubeconfig context."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import yaml
from lightkube import Client, KubeConfig
from lightkube.config.models import NameValue, User, UserExec
from lightkube.core.exceptions import ApiError, ConfigError

TIMEOUT_SECONDS = 5.0
"""A preview waits no longer than this for an answer of the API server."""


class ClusterUnreachableError(Exception):
    """The cluster gave no answer; the message says why, in a clause.

    `status` is that of an answer of HTTP which is none of Kubernetes', None where there is none.
    """

    def __init__(self, said: str, *, status: int | None = None) -> None:
        super().__init__(said)
        self.status = status


class KindNotServedError(ClusterUnreachableError):
    """The API server itself does not know the path of a kind."""


UNREADABLE = (ApiError, ConfigError, ClusterUnreachableError, httpx2.TransportError)
"""Why a cluster is not read; `reason` tells each."""

_MALFORMED = (OSError, ValueError, TypeError, LookupError, AttributeError, yaml.YAMLError)
_REFUSED = (401, 403)
_TOO_MANY_REQUESTS = 429
_SERVER_ERRORS = range(500, 600)
_NOT_FOUND = 404
_OF_THE_API_SERVER = frozenset({"audit-id", "x-kubernetes-pf-flowschema-uid"})
"""Headers of its answers, whatever their form (k8s.io/apiserver v0.36, audit and flowcontrol)."""

_UNSUPPORTED = ("proxy-url", "tls-server-name")
"""Of a kubeconfig's cluster: lightkube 1.0.1 ignores them and would ask another host."""
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
                _check_supported(Path(file).expanduser(), chosen.context.cluster)
                _run_plugin_as_kubectl(chosen.user)
                return Client(chosen, timeout=httpx2.Timeout(TIMEOUT_SECONDS))
        except _MALFORMED as error:
            # A parser's own words may quote a line that holds a token.
            said = str(error) if isinstance(error, OSError) else type(error).__name__
            raise ClusterUnreachableError(f"the kubeconfig cannot be used ({said})") from None
    raise ClusterUnreachableError(f"no kubeconfig has a context '{context}'")


def _check_supported(file: Path, cluster: str) -> None:
    content: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    found = next(each["cluster"] for each in content["clusters"] if each["name"] == cluster)
    for key in _UNSUPPORTED:
        if found.get(key):
            raise ClusterUnreachableError(f"the kubeconfig sets {key}, which is not supported here")


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
        KindNotServedError: the API server answers so for a kind without a definition, in plain
            text and without a status.
    """
    try:
        yield
    except (ApiError, ConfigError, httpx2.TransportError):
        raise
    except (httpx2.HTTPStatusError, *_MALFORMED) as error:
        # lightkube fails at an error without a Content-Type while it handles that error.
        cause = error.__context__ if isinstance(error, KeyError) else error
        code = None
        if isinstance(cause, httpx2.HTTPStatusError):
            code = int(cause.response.status_code)
            if code == _NOT_FOUND and not _OF_THE_API_SERVER.isdisjoint(cause.response.headers):
                raise KindNotServedError("the API server does not serve the kind") from None
            who = "the API server, or what stands before it,"
            said = f"{who} answered {code} without a status of Kubernetes"
        else:
            answer = "the answer of the API server, or of the kubeconfig's credential plugin,"
            said = f"{answer} cannot be read ({type(error).__name__}: {error})"
        raise ClusterUnreachableError(said, status=code) from None


def is_refused(error: Exception) -> bool:
    """Whether a later question would fail as well: the user may not ask, or cannot."""
    if isinstance(error, ApiError):
        return int(error.response.status_code) in _REFUSED
    return isinstance(error, ConfigError)


def is_transient(error: Exception) -> bool:
    """Whether the cluster failed to answer, or answered with an error, that may pass by itself."""
    match error:
        case ApiError():
            return _passes(int(error.response.status_code))
        case ClusterUnreachableError():
            return error.status is not None and _passes(error.status)
        case httpx2.TransportError():
            # A certificate that is not trusted now will not be later.
            return not any(isinstance(cause, ssl.SSLError) for cause in _causes(error))
        case _:
            return False


def _passes(status: int) -> bool:
    return status == _TOO_MANY_REQUESTS or status in _SERVER_ERRORS


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


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
