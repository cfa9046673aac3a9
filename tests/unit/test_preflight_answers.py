"""What a preview and an update do with a cluster that fails to answer some of their questions."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from lightkube import Client

from cluster import preflight, retries
from cluster.preflight import Findings, inspect
from planning.errors import PlanError
from planning.names import RETAIN, STACK
from planning.plan import Plan
from settings.mistakes import Mistake
from tests.choices import planned, preset
from tests.unit.api_objects import Api, client_of
from tests.unit.conftest import Kubeconfig, Proxy

NAMESPACE = "/api/v1/namespaces/llm"
CLAIM = f"{NAMESPACE}/persistentvolumeclaims/vllm-cache"
SERVICE = f"{NAMESPACE}/services/vllm"
NODES = "/api/v1/nodes"


def made_by(stack: str, name: str, **more: Any) -> dict[str, Any]:
    annotations = {STACK: stack, RETAIN: "true"}
    return {"metadata": {"name": name, "annotations": annotations}, **more}


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "PAUSES", (0.0,) * 4)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A cluster in which this stack has made a namespace and a claim."""
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "standard",
        "resources": {"requests": {"storage": "30Gi"}},
    }
    made = Api({NAMESPACE: made_by("dev", "llm"), CLAIM: made_by("dev", "vllm-cache", spec=claim)})
    with client_of(made) as client:

        @contextmanager
        def connected(_: str) -> Generator[Client]:
            yield client

        monkeypatch.setattr(preflight, "connect", connected)
        yield made


def plan(context: str = "test", *, create: bool = True) -> Plan:
    cache = {"storageClass": "standard", "accessMode": "ReadWriteOnce"}
    namespace = {"name": "llm", "create": create}
    kubernetes = {"context": context}
    return planned([preset("l4")], cache=cache, namespace=namespace, kubernetes=kubernetes)


def refused(given: Plan, *, is_update: bool) -> dict[str, Mistake]:
    with pytest.raises(PlanError) as caught:
        inspect(given, is_update=is_update)
    return {mistake.key: mistake for mistake in caught.value.mistakes}


def test_a_cluster_without_custom_kinds_is_checked_all_the_same(api: Api) -> None:
    api.objects[SERVICE] = made_by("staging", "vllm")
    assert refused(plan(), is_update=False).keys() == {"name"}
    del api.objects[SERVICE]
    assert unchecked(inspect(plan())) == []


def unchecked(findings: Findings) -> list[str]:
    return [w for w in findings.warnings if "was not checked against its cluster" in w]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_update_is_refused_while_the_cluster_answers_with_errors_and_a_preview_warns(
    api: Api, status: int
) -> None:
    api.objects[CLAIM] = status
    found = refused(plan(), is_update=True)
    assert found["kubernetes.context"].wrong == f"the API server answered {status}"
    assert "try again" in found["kubernetes.context"].remedy
    (warning,) = unchecked(inspect(plan()))
    assert warning.startswith(f"kubernetes.context: the API server answered {status}; ")


@pytest.mark.parametrize("is_update", [False, True])
def test_an_error_that_passes_changes_nothing(api: Api, *, is_update: bool) -> None:
    expected = inspect(plan(create=False), is_update=is_update)
    assert expected.plan.keep_namespace
    api.passing = {NAMESPACE: [503, 429], NODES: [500, 500, 500]}
    assert inspect(plan(create=False), is_update=is_update) == expected
    assert api.passing == {NAMESPACE: [], NODES: []}


@pytest.mark.parametrize("is_update", [False, True])
def test_mistakes_that_were_found_outlast_a_later_error(api: Api, *, is_update: bool) -> None:
    api.objects |= {SERVICE: made_by("staging", "vllm"), NODES: 503}
    found = refused(plan(), is_update=is_update)
    assert found["name"].wrong.endswith("made by the stack 'staging'")
    assert ("kubernetes.context" in found) == is_update


def test_a_preview_goes_on_with_what_was_read_before_an_error(api: Api) -> None:
    api.objects[NODES] = 503
    found = inspect(plan(create=False))
    assert found.plan.keep_namespace
    assert unchecked(found)


@pytest.mark.parametrize("status", [401, 403])
def test_an_update_goes_on_where_the_user_may_not_read(api: Api, status: int) -> None:
    api.objects[NODES] = status
    (warning,) = [w for w in inspect(plan(), is_update=True).warnings if "kubernetes.con" in w]
    assert "checked" in warning


def test_a_cluster_that_refuses_connections_is_one_that_does_not_answer(
    kubeconfig: Kubeconfig,
) -> None:
    kubeconfig(server="http://127.0.0.1:1")
    here = plan("proxy")
    found = refused(here, is_update=True)
    assert "cannot be reached" in found["kubernetes.context"].wrong
    assert unchecked(inspect(here))


@pytest.mark.parametrize(
    "unusable",
    [
        {"proxy-url": "http://127.0.0.1:2"},
        {"tls-server-name": "kubernetes"},
        {"certificate-authority": "/there/is/none"},
    ],
)
def test_a_kubeconfig_that_this_program_cannot_use_keeps_no_update_from_those_who_can(
    kubeconfig: Kubeconfig, unusable: dict[str, str]
) -> None:
    kubeconfig(server="https://127.0.0.1:1", **unusable)
    here = plan("proxy")
    (warning,) = inspect(here, is_update=True).warnings
    assert warning.startswith("kubernetes.context: the kubeconfig ")


@pytest.mark.usefixtures("kubeconfig")
def test_a_page_of_a_proxy_that_asks_who_it_is_keeps_no_update(proxy: Proxy) -> None:
    here = plan("proxy")
    proxy.answers = ((200, "text/html", b"<html>log in</html>"),)
    assert unchecked(inspect(here, is_update=True))
    proxy.answers = ((502, "text/html", b"<html>"),)
    assert "answered 502" in refused(here, is_update=True)["kubernetes.context"].wrong
    proxy.answers = ((401, "application/json", json.dumps({"kind": "Status"}).encode()),)
    assert unchecked(inspect(here, is_update=True))


def test_a_server_that_is_not_trusted_is_no_server_that_is_away(
    proxy: Proxy, kubeconfig: Kubeconfig
) -> None:
    kubeconfig(server=f"https://127.0.0.1:{proxy.server_port}")
    assert unchecked(inspect(plan("proxy"), is_update=True))
