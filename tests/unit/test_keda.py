"""What autoscaling needs of a cluster, as an API server of few objects tells it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from lightkube import Client

from cluster.scaling import ScalingFindings, scaling_findings
from planning.names import PART_OF
from planning.plan import Plan
from settings.mistakes import Mistake
from tests.choices import planned, preset
from tests.unit.api_objects import APISERVICES, DEFINITIONS, Api, client_of

ROUTES, OLDER, SCALED_OBJECTS = (
    "interceptorroutes.http.keda.sh",
    "httpscaledobjects.http.keda.sh",
    "scaledobjects.keda.sh",
)
LISTS = {
    ROUTES: "/apis/http.keda.sh/v1beta1/namespaces/llm/interceptorroutes",
    OLDER: "/apis/http.keda.sh/v1alpha1/namespaces/llm/httpscaledobjects",
    SCALED_OBJECTS: "/apis/keda.sh/v1alpha1/namespaces/llm/scaledobjects",
}
DEPLOYMENT = "/apis/apps/v1/namespaces/llm/deployments/vllm"
METRICS = f"{APISERVICES}/v1beta1.external.metrics.k8s.io"


def definition(name: str, version: str, *fields: str) -> dict[str, Any]:
    """A CustomResourceDefinition whose schema has a path of fields."""
    schema: dict[str, Any] = {"type": "object"}
    for each in reversed(fields):
        schema = {"type": "object", "properties": {each: schema}}
    versions = [
        {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    ]
    plural, _, group = name.partition(".")
    names = {"kind": plural, "plural": plural}
    spec = {"group": group, "names": names, "scope": "Namespaced", "versions": versions}
    return {"metadata": {"name": name}, "spec": spec}


def running(replicas: int) -> dict[str, Any]:
    return {
        "metadata": {"name": "vllm"},
        "spec": {"replicas": replicas, "selector": {}, "template": {}},
    }


@pytest.fixture
def api() -> Api:
    """A cluster with KEDA and its HTTP add-on, as new as the sandbox's."""
    return Api(
        {
            f"{DEFINITIONS}/{ROUTES}": definition(
                ROUTES, "v1beta1", "spec", "coldStart", "placeholder"
            ),
            f"{DEFINITIONS}/{OLDER}": definition(OLDER, "v1alpha1", "spec"),
            f"{DEFINITIONS}/{SCALED_OBJECTS}": definition(
                SCALED_OBJECTS, "v1alpha1", "spec", "fallback", "behavior"
            ),
            **{path: list[Any]() for path in LISTS.values()},
        }
    )


@pytest.fixture
def client(api: Api) -> Iterator[Client]:
    with client_of(api) as made:
        yield made


def scaled(**keys: Any) -> Plan:
    shared = {"accessMode": "ReadWriteMany"}
    return planned([preset("l4")], cache=shared, autoscaling={"enabled": True, **keys})


def found(client: Client, **keys: Any) -> ScalingFindings:
    return scaling_findings(scaled(**keys), client)


def only(findings: ScalingFindings) -> Mistake:
    (mistake,) = findings.mistakes
    return mistake


def test_a_cluster_with_every_kind_is_taken(client: Client) -> None:
    assert found(client).mistakes == ()
    assert found(client, kind="httpScaledObject").mistakes == ()


@pytest.mark.parametrize(
    ("absent", "keys", "remedy"),
    [
        ((ROUTES, OLDER), {}, "kedacore/keda-add-ons-http), or disable autoscaling"),
        ((ROUTES,), {"kind": "interceptorRoute"}, "choose the other autoscaling.kind"),
        ((OLDER,), {"kind": "httpScaledObject"}, "choose the other autoscaling.kind"),
        ((SCALED_OBJECTS,), {}, "Helm charts kedacore/keda and"),
    ],
)
def test_a_kind_that_the_cluster_lacks_is_refused_by_its_name(
    api: Api, client: Client, absent: tuple[str, ...], keys: dict[str, Any], remedy: str
) -> None:
    for name in absent:
        del api.objects[f"{DEFINITIONS}/{name}"]
    mistake = only(found(client, **keys))
    assert mistake.key == "autoscaling.enabled"
    assert mistake.wrong == f"the cluster does not serve {absent[0]}"
    assert remedy in mistake.remedy


def test_more_replicas_than_the_maximum_are_a_warning(api: Api, client: Client) -> None:
    api.objects[DEPLOYMENT] = running(7)
    (warning,) = [w for w in found(client).warnings if "maxReplicas" in w]
    assert warning.startswith("autoscaling.maxReplicas: 5 is below the 7 that run")
    api.objects[DEPLOYMENT] = running(5)
    assert not any("maxReplicas" in warning for warning in found(client).warnings)


def test_who_may_not_read_definitions_learns_of_the_kinds_from_their_objects(
    api: Api, client: Client
) -> None:
    api.forbidden = (DEFINITIONS, APISERVICES)
    assert found(client).mistakes == ()
    assert not any("is not known (" in warning for warning in found(client).warnings)
    del api.objects[LISTS[ROUTES]]
    settled = found(client).plan.scaling
    assert settled is not None
    assert settled.kind == "httpScaledObject"
    assert only(found(client, kind="interceptorRoute")).wrong.endswith(f"does not serve {ROUTES}")


def test_who_may_not_list_the_objects_either_keeps_every_other_check(
    api: Api, client: Client
) -> None:
    api.forbidden = (DEFINITIONS, APISERVICES, *LISTS.values())
    api.objects[DEPLOYMENT] = running(7)
    api.objects["/apis/autoscaling/v2/namespaces/llm/horizontalpodautoscalers"] = [
        {"metadata": {"name": "by-cpu"}, "spec": {"maxReplicas": 2, "scaleTargetRef": REFERENCE}}
    ]
    findings = found(client)
    assert only(findings).wrong.startswith("the HorizontalPodAutoscaler 'by-cpu'")
    said = "\n".join(findings.warnings)
    assert f"whether the cluster serves {ROUTES} and {SCALED_OBJECTS} is not known" in said
    assert "is below the 7 that run" in said


PROMETHEUS = {"address": "http://prometheus.monitoring:9090"}


@pytest.mark.parametrize(
    "keys", [{"fallback": {"replicas": 2}}, {"requestsWaiting": 5, "prometheus": PROMETHEUS}]
)
def test_a_fallback_that_the_cluster_would_drop_is_refused_with_the_release_that_has_it(
    api: Api, client: Client, keys: dict[str, Any]
) -> None:
    assert found(client, **keys).mistakes == ()
    older = definition(SCALED_OBJECTS, "v1alpha1", "spec", "fallback", "replicas")
    api.objects[f"{DEFINITIONS}/{SCALED_OBJECTS}"] = older
    assert found(client).mistakes == ()
    mistake = only(found(client, **keys))
    assert mistake.key == "autoscaling.fallback"
    assert "KEDA 2.18 or newer" in mistake.rule
    api.forbidden = (DEFINITIONS,)
    assert found(client, **keys).mistakes == ()


def test_an_answer_at_once_that_the_cluster_would_drop_is_refused_with_the_release_that_has_it(
    api: Api, client: Client
) -> None:
    keys: dict[str, Any] = {"coldStart": {"placeholder": {}}}
    assert found(client, **keys).mistakes == ()
    older = definition(ROUTES, "v1beta1", "spec", "coldStart", "fallback")
    api.objects[f"{DEFINITIONS}/{ROUTES}"] = older
    assert found(client).mistakes == ()
    mistake = only(found(client, **keys))
    assert mistake.key == "autoscaling.coldStart.placeholder"
    assert "HTTP add-on 0.15 or newer" in mistake.rule
    del api.objects[f"{DEFINITIONS}/{ROUTES}"]
    assert "HTTP add-on 0.15 or newer" in only(found(client, **keys)).remedy


def test_an_app_that_is_at_zero_keeps_its_autoscaler(api: Api, client: Client) -> None:
    labels = {"app.kubernetes.io/part-of": PART_OF}
    own = {"metadata": {"name": "vllm", "labels": labels}, "spec": {"scaleTargetRef": REFERENCE}}
    api.objects |= {DEPLOYMENT: running(0), LISTS[SCALED_OBJECTS]: [own]}
    switched_off = scaling_findings(planned([preset("l4")]), client)
    assert only(switched_off).wrong == "autoscaling is switched off while no replica runs"
    assert found(client, minReplicas=0).mistakes == ()
    api.objects[DEPLOYMENT] = running(1)
    assert scaling_findings(planned([preset("l4")]), client).mistakes == ()


def services(**ports: int) -> dict[str, Any]:
    """Services of the namespace keda, each with one port."""
    return {
        f"/api/v1/namespaces/keda/services/{name.replace('_', '-')}": {
            "metadata": {"name": name},
            "spec": {"ports": [{"port": port}]},
        }
        for name, port in ports.items()
    }


PROXY, SCALER = "keda_add_ons_http_interceptor_proxy", "keda_add_ons_http_external_scaler"
ADD_ON = services(**{PROXY: 8080, SCALER: 9090})


def answered_by(service: str, *, available: bool = True, part_of: str = "") -> dict[str, Any]:
    """An APIService of external metrics with the Service behind it."""
    return {
        METRICS: {
            "metadata": {
                "name": "v1beta1.external.metrics.k8s.io",
                "labels": {"app.kubernetes.io/part-of": part_of},
            },
            "spec": {
                "group": "external.metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "service": {"name": service, "namespace": "monitoring"},
            },
            "status": {"conditions": [{"type": "Available", "status": str(available)}]},
        }
    }


@pytest.mark.parametrize(
    ("there", "key", "wrong"),
    [
        ({}, "namespace", "in 'keda' there is neither"),
        (services(**{PROXY: 8080}), "scalerService", "no Service 'keda-add-ons-http-external-sc"),
        (services(**{SCALER: 9090}), "proxyService", "no Service 'keda-add-ons-http-interceptor"),
        (services(**{PROXY: 80, SCALER: 9090}), "proxyPort", "has no port 8080"),
        (services(**{PROXY: 8080, SCALER: 9091}), "scalerPort", "has no port 9090"),
    ],
)
def test_an_interceptor_that_is_not_where_it_should_be_is_refused_by_its_key(
    api: Api, client: Client, there: dict[str, Any], key: str, wrong: str
) -> None:
    api.objects |= answered_by("keda-operator-metrics-apiserver") | there
    mistake = only(found(client))
    assert mistake.key == f"autoscaling.interceptor.{key}"
    assert wrong in mistake.wrong


def test_an_interceptor_that_is_there_or_an_alias_or_out_of_sight_is_taken(
    api: Api, client: Client
) -> None:
    api.objects |= answered_by("keda-metrics-apiserver") | ADD_ON
    assert found(client).mistakes == found(client).warnings == ()
    alias = next(path for path in ADD_ON if path.endswith("proxy"))
    api.objects[alias] = {"metadata": {"name": "p"}, "spec": {"type": "ExternalName"}}
    assert found(client).mistakes == ()
    api.forbidden = ("/api/v1/namespaces/keda/services",)
    assert found(client).mistakes == ()


def test_without_a_scaler_that_runs_nothing_is_refused(api: Api, client: Client) -> None:
    for absent in ({}, answered_by("keda-operator-metrics-apiserver", available=False)):
        api.objects |= absent
        findings = found(client)
        assert (findings.mistakes, findings.lacks_scaler) == ((), True)
        (warning,) = findings.warnings
        assert warning.startswith("autoscaling: no scaler is running in this cluster")


def test_external_metrics_of_somebody_else_are_not_taken_for_keda_s(
    api: Api, client: Client
) -> None:
    api.objects |= answered_by("datadog-cluster-agent-metrics-api") | ADD_ON
    findings = found(client)
    assert (findings.mistakes, findings.lacks_scaler) == ((), True)
    (warning,) = findings.warnings
    assert "the Service monitoring/datadog-cluster-agent-metrics-api answers" in warning
    api.objects |= answered_by("metrics", part_of="keda-operator")
    assert found(client).warnings == ()


REFERENCE = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "vllm"}
