"""Rules across keys of the stack config, and that one mistake is told once."""

from __future__ import annotations

import json

import pytest

from tests.unit.test_settings import PRESET, mistakes, only


def test_the_token_comes_from_one_place() -> None:
    changed = {"huggingFaceToken": "x", "huggingFaceTokenSecret": '{"name": "token"}'}
    line = only(changed, secret=("huggingFaceToken",))
    assert line.startswith("huggingFaceTokenSecret: is set beside huggingFaceToken")


def test_a_read_write_once_cache_is_refused_for_more_than_one_replica() -> None:
    assert "cannot serve 2 replicas (replicas)" in only({"replicas": "2"})
    line = only({"autoscaling": '{"enabled": true}'})
    assert "cannot serve 5 replicas (autoscaling.maxReplicas)" in line
    assert mistakes({"replicas": "2", "cache": '{"accessMode": "ReadWriteMany"}'}) == []


def test_a_stack_names_its_cluster_or_a_directory_and_not_both() -> None:
    assert only({"kubernetes": "{}"}).startswith("kubernetes.context: is missing")
    both = only({"kubernetes": '{"context": "a", "renderTo": "out"}'})
    assert both.startswith("kubernetes.renderTo: ")


def test_an_unknown_preset_names_the_near_one() -> None:
    presets = json.dumps([PRESET | {"name": "nvidia-l4-1"}])
    line = only({"preset": "nvidia-l4", "presets": presets})
    assert line.endswith("did you mean 'nvidia-l4-1'?")


def test_two_presets_of_one_name_are_refused() -> None:
    assert "'l4' is there 2 times" in only({"presets": json.dumps([PRESET, PRESET])})


@pytest.mark.parametrize("seconds", ["0", "86401"])
def test_the_longest_answer_takes_a_second_to_a_day(seconds: str) -> None:
    assert only({"requestSeconds": seconds}).startswith(f"requestSeconds: '{seconds}' is refused")
    assert mistakes({"requestSeconds": "86400"}) == []


def test_an_ingress_without_a_host_is_refused_and_a_disabled_one_needs_none() -> None:
    assert only({"ingress": "{}"}).startswith("ingress.host: is missing")
    assert mistakes({"ingress": '{"enabled": false}'}) == []


def test_a_rule_stays_silent_about_a_section_that_is_mistaken_itself() -> None:
    lines = mistakes({"replicas": "2", "cache": '{"accessMode": "Once"}'})
    assert [line.partition(":")[0] for line in lines] == ["cache.accessMode"]


@pytest.mark.parametrize(
    "presets",
    ["absent.yaml", json.dumps([PRESET | {"nmae": 1}]), json.dumps([PRESET | {"cpu": ""}])],
)
def test_a_mistake_of_the_presets_is_the_only_one_where_one_of_them_is_named(presets: str) -> None:
    assert only({"presets": presets, "preset": "l4"}).startswith("presets")


@pytest.mark.parametrize(
    "changed",
    [
        {"ingress": '{"enabled": false, "hots": 1}', "network": '{"ingressNamespaces": []}'},
        {
            "autoscaling": '{"enabled": true, "maxReplicsa": 1}',
            "network": '{"ingressNamespaces": []}',
        },
        {"network": '{"enabled": false, "dsn": 1}', "extraEnv": '{"HF_ENDPOINT": "ftp://mirror"}'},
    ],
)
def test_a_mistyped_key_does_not_break_a_rule_of_another_section(changed: dict[str, str]) -> None:
    assert only(changed).partition(": ")[2].startswith("is not a key; unknown keys are refused; ")


def test_a_stack_without_presets_or_model_is_refused() -> None:
    assert only({"presets": "[]"}).startswith("presets: is empty; ")
    named = only({"presets": "[]", "preset": "l4"})
    assert named.startswith("preset: 'l4' is unknown; the presets of this stack are none; list it")
    assert only({"model": ""}) == "model: '' is refused; it is not empty; give it a value"


@pytest.mark.parametrize("cache", ['"storage": "nfs"', '"claimName": "a"', '"retain": false'])
def test_a_disabled_cache_keeps_keys_that_nothing_reads(cache: str) -> None:
    assert mistakes({"cache": f'{{"enabled": false, {cache}}}'}) == []


def test_a_disabled_cache_takes_nothing_over() -> None:
    line = only({"cache": '{"enabled": false, "adopt": true}'})
    assert line.startswith("cache.adopt: is true while cache.enabled is false; ")
