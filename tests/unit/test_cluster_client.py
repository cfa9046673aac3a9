"""What is said of a cluster that does not answer as an API server does, and of its kubeconfig."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from lightkube.resources.core_v1 import Namespace

from cluster.client import UNREADABLE, connect, reason
from cluster.objects import read_object, read_objects
from cluster.preflight import inspect
from tests.choices import planned, preset
from tests.unit.conftest import JSON, Kubeconfig, Proxy

HTML = "text/html"
EXEC = "client.authentication.k8s.io"
# Gives a token to whoever tells it the version that the kubeconfig names, as client-go does.
PLUGIN = """\
import json, os, sys
told = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
assert told["kind"] == "ExecCredential" and told["spec"] == {"interactive": False}
assert told["apiVersion"] == sys.argv[1]
print(json.dumps({**told, "status": {"token": "from-the-plugin"}}))
"""


def ask(*, listed: bool) -> None:
    with connect("proxy") as client:
        if listed:
            read_objects(client, Namespace)
        else:
            read_object(client, Namespace, "llm")


def said(*, listed: bool = False) -> str:
    """Why the cluster cannot be read."""
    with pytest.raises(UNREADABLE) as caught:
        ask(listed=listed)
    return reason(caught.value)


def plugin(command: str, *args: str, version: str = "v1") -> dict[str, Any]:
    return {"exec": {"apiVersion": f"{EXEC}/{version}", "command": command, "args": list(args)}}


@pytest.mark.usefixtures("kubeconfig")
@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize(
    "answer",
    [
        (502, HTML, b"<html>"),
        (503, None, b""),
        (429, "text/plain", b"Too many requests"),
        (404, "text/plain", b"default backend"),
        (302, HTML, b"<html>"),
    ],
)
def test_a_proxys_error_is_told_by_its_number(
    proxy: Proxy, answer: tuple[int, str | None, bytes], *, listed: bool
) -> None:
    proxy.answers = (answer,)
    assert f"what stands before it, answered {answer[0]} " in said(listed=listed)


@pytest.mark.usefixtures("kubeconfig")
@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("body", [b"<html>log in</html>", b"[]", b""])
def test_a_page_in_place_of_an_object_is_told(proxy: Proxy, body: bytes, *, listed: bool) -> None:
    proxy.answers = ((200, HTML, body),)
    assert "the answer of the API server" in said(listed=listed)


@pytest.mark.usefixtures("kubeconfig")
def test_the_preview_warns_of_a_proxy_that_answers_for_the_api_server(
    proxy: Proxy,
) -> None:
    proxy.answers = ((502, HTML, b"<html>"),)
    plan = planned([preset("l4")], kubernetes={"context": "proxy"})
    (warning,) = inspect(plan).warnings
    assert warning.startswith("kubernetes.context: the API server, or what stands before it, ans")


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_credential_plugin_learns_its_version_and_its_token_is_used(
    proxy: Proxy, kubeconfig: Kubeconfig, tmp_path: Path, version: str
) -> None:
    (tmp_path / "plugin.py").write_text(PLUGIN)
    asked = f"{EXEC}/{version}"
    kubeconfig(plugin(sys.executable, str(tmp_path / "plugin.py"), asked, version=version))
    proxy.answers = ((200, JSON, json.dumps({"metadata": {"name": "llm"}}).encode()),)
    with connect("proxy") as client:
        assert read_object(client, Namespace, "llm") is not None
    assert proxy.authorization == "Bearer from-the-plugin"


@pytest.mark.parametrize(
    ("user", "told"),
    [
        (plugin("there-is-no-such-plugin"), "there-is-no-such-plugin"),
        (plugin("false"), "Exec false returned 1"),
        (plugin("echo", "no JSON"), "the kubeconfig's credential plugin"),
        (plugin("echo", "{}"), "the kubeconfig's credential plugin"),
        (plugin("true", version="v9"), f"{EXEC}/v9"),
        ({"auth-provider": {"name": "gcp"}}, "auth-provider not supported"),
    ],
)
def test_a_credential_plugin_that_gives_no_token_is_told(
    kubeconfig: Kubeconfig, user: dict[str, Any], told: str
) -> None:
    kubeconfig(user)
    assert told in said()


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "contexts: [{name: proxy, context: {cluster: behind, user: one}}]",
        "users: [{name: one, user: {token: s3cr3t",
        "users: {token: s3cr3t}",
    ],
)
def test_a_broken_kubeconfig_is_told_without_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    (tmp_path / "config").write_text(content)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    assert said().startswith("the kubeconfig cannot be used")
    assert "s3cr3t" not in said()


def test_a_certificate_that_is_not_there_is_told(kubeconfig: Kubeconfig) -> None:
    kubeconfig(**{"server": "https://127.0.0.1:1", "certificate-authority": "/there/is/none"})
    assert said().startswith("the kubeconfig cannot be used")
