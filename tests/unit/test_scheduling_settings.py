"""Names, labels and tolerations of the stack config, as far as the API server takes them."""

from __future__ import annotations

import json

import pytest

from tests.unit.test_settings import PRESET, mistakes, only


@pytest.mark.parametrize("name", ["7b", "a" * 41, "-a", "A", ""])
def test_a_name_that_no_service_can_have_is_refused(name: str) -> None:
    line = only({"name": name})
    assert line.startswith(f"name: {name!r} is refused; it is a-z, 0-9 and '-', begins with")


@pytest.mark.parametrize(
    ("toleration", "wrong"),
    [
        ({"key": "gpu", "operator": "Exists", "value": "l4"}, "operator: Exists stands beside"),
        ({"operator": "Equal", "value": "l4"}, "key: is missing"),
        ({"value": "l4"}, "key: is missing"),
        (
            {"key": "gpu", "effect": "NoSchedule", "tolerationSeconds": 5},
            "tolerationSeconds: stands beside the effect NoSchedule",
        ),
        ({"key": "my gpu"}, "key: 'my gpu' is no key of a label"),
        ({"key": "gpu", "value": "a b"}, "value: 'a b' is no value of a label"),
    ],
)
def test_a_toleration_that_the_api_server_would_refuse_is_named_by_its_place(
    toleration: dict[str, object], wrong: str
) -> None:
    fine = {"key": "gpu", "effect": "NoExecute", "tolerationSeconds": 5}
    of_pool = PRESET | {"pool": {"tolerations": [fine, toleration]}}
    of_pools = PRESET | {"pools": [{"tolerations": [toleration]}]}
    for changed, place in (
        ({"tolerations": json.dumps([fine, toleration])}, "tolerations[1]"),
        ({"presets": json.dumps([of_pool])}, "presets[0].pool.tolerations[1]"),
        ({"presets": json.dumps([of_pools])}, "presets[0].pools[0].tolerations[0]"),
    ):
        assert only(changed).startswith(f"{place}.{wrong}")


@pytest.mark.parametrize(
    ("label", "wrong"),
    [
        ({"my team": "a"}, "my team: 'my team' is no key of a label"),
        ({"Example.com/team": "a"}, "Example.com/team: 'Example.com/team' is no key"),
        ({"team": "größe"}, "team: 'größe' is no value of a label"),
        ({"team": "a" * 64}, "team: 'aaaa"),
        ({"team": "a b"}, "team: 'a b' is no value"),
    ],
)
def test_what_is_no_label_is_refused_where_it_stands(label: dict[str, str], wrong: str) -> None:
    of_pool = PRESET | {"pool": {"nodeSelector": label}}
    for changed, place in (
        ({"labels": json.dumps(label)}, "labels"),
        ({"nodeSelector": json.dumps(label)}, "nodeSelector"),
        ({"presets": json.dumps([of_pool])}, "presets[0].pool.nodeSelector"),
    ):
        assert only(changed).startswith(f"{place}.{wrong}")


@pytest.mark.parametrize(
    ("label", "wrong"),
    [({"my app": "a"}, "my app: 'my app' is no key"), ({"app": "a b"}, "app: 'a b' is no value")],
)
def test_what_is_no_label_of_a_client_is_refused_where_it_stands(
    label: dict[str, str], wrong: str
) -> None:
    clients = [{"cidr": "10.0.0.0/8"}, {"namespace": "apps", "podLabels": label}]
    line = only({"network": json.dumps({"clients": clients})})
    assert line.startswith(f"network.clients[1].podLabels.{wrong}")


@pytest.mark.parametrize("name", ["my note", "", "a/b/c", "a" * 64, "/a"])
def test_what_is_no_key_of_an_annotation_is_refused_where_it_stands(name: str) -> None:
    ingress = {"host": "llm.example.com", "annotations": {name: "any text: a b"}}
    line = only({"ingress": json.dumps(ingress)})
    assert line.startswith(f"ingress.annotations.{name}: {name!r} is no key of an annotation")


def test_what_is_a_label_is_accepted() -> None:
    fine = {"team": "", "example.com/cost-centre": "4711", "a": "A_b.c-1"}
    assert mistakes({"labels": json.dumps(fine), "nodeSelector": json.dumps(fine)}) == []
    client = {"namespace": "apps", "podLabels": fine}
    ingress = {"host": "llm.example.com", "annotations": {"Example.com/Note": "größe"}}
    changed = {"network": {"clients": [client]}, "ingress": ingress}
    assert mistakes({key: json.dumps(value) for key, value in changed.items()}) == []
    assert mistakes({"tolerations": '[{"key": "example.com/gpu", "value": ""}]'}) == []
