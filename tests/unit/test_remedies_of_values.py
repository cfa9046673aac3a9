"""What a mistake says to write instead is accepted where it is written."""

from __future__ import annotations

import json
import re

import pytest

from tests.unit.test_settings import PRESET, VALID, mistakes, only

WRONG = {
    "name": "7B",
    "image": "vllm/vllm-openai:latest",
    "cache.size": "10GB",
    "namespace.name": "Team_A",
    "priorityClass": "High!",
    "huggingFaceTokenExternal.refreshInterval": "daily",
    "huggingFaceTokenSecret.key": "a b",
    "network.egressCidrs": ["10.0.0.1/8"],
    "nodeSelector.team": "a b",
    "autoscaling.prometheus.address": "prometheus:9090/",
    "ingress.auth.emailDomains": ["@example.com"],
    "ingress.auth.issuer": "login.example.com",
    "ingress.auth.secretName": "A_b",
    "ingress.auth.authResponseHeaders": ["X Forwarded"],
}
"""Values of another form than their keys ask for."""


def config(key: str, value: object) -> dict[str, str]:
    section, *nested = key.split(".")
    for name in reversed(nested):
        value = {name: value}
    return {section: value if isinstance(value, str) else json.dumps(value)}


def line_of(key: str, value: object) -> str | None:
    """What is said of the key's form, None where that is right; a list's member has its own key."""
    said = re.compile(rf"{key}(\[0\])?: .* is (refused|no value of a label); ")
    found = [line for line in mistakes(config(key, value)) if said.match(line)]
    return found[0] if found else None


@pytest.mark.parametrize("key", WRONG)
def test_the_example_of_a_remedy_is_accepted(key: str) -> None:
    wrong = WRONG[key]
    line = line_of(key, wrong)
    assert line is not None
    _, _, remedy = line.rpartition("; ")
    examples = re.fullmatch(r"write it like (\S+?)(?:(?:,| or) (?:.* )?(\S+))?", remedy)
    assert examples, remedy
    first = examples[1].rstrip(",")
    assert line_of(key, [first] if isinstance(wrong, list) else first) is None, remedy


@pytest.mark.parametrize(
    ("changed", "remedy"),
    [
        ({"replicas": "two"}, "write a number without decimals, such as 2"),
        ({"replicas": "-1"}, "write 0 or more"),
        ({"replicas": "1.5"}, "write a number without decimals, such as 2"),
        ({"requestSeconds": "86401"}, "write 86400 or less"),
        ({"autoscaling": '{"requestsPerSecond": 1000001}'}, "write 1000000 or less"),
        ({"gpuMemoryUtilization": "2"}, "write 1 or less"),
        ({"gpuMemoryUtilization": "0"}, "write a number above 0"),
        ({"gpuMemoryUtilization": "much"}, "write a number, such as 0.9"),
        ({"force": "perhaps"}, "write true or false"),
        ({"cache": "none"}, "write its keys below it, as in {enabled: false}"),
        ({"labels": "team"}, "write keys and values below it, as in {team: search}"),
        ({"labels": '{"on": true}'}, "put the value in quotes"),
        ({"serverExtraArgs": "--seed"}, "write a list, as in [one, two]"),
    ],
)
def test_a_value_of_another_kind_is_told_what_to_write(
    changed: dict[str, str], remedy: str
) -> None:
    assert only(changed).rpartition("; ")[2] == remedy


@pytest.mark.parametrize(
    ("changed", "remedy"),
    [
        ({"kubernetes": "prod"}, "write its keys below it, which are clusterId, context, renderTo"),
        ({"namespace": "llm"}, "write its keys below it, which are create, name"),
        (
            {"autoscaling": '{"fallback": 2}'},
            "write its keys below it, which are failures, replicas",
        ),
        ({"huggingFaceTokenSecret": "hub"}, "write its keys below it, which are key, name"),
        ({"presets": '["l4"]'}, None),
        ({"tolerations": "gpu"}, None),
        ({"autoscaling": '{"cron": 5}'}, None),
        ({"model": '["a"]'}, "write one text"),
        ({"labels": '{"a": {"b": "c"}}'}, "write one text"),
    ],
)
def test_a_section_is_told_the_keys_that_it_has(
    changed: dict[str, str], remedy: str | None
) -> None:
    said = only(changed).rpartition("; ")[2]
    assert remedy is None or said == remedy
    assert "enabled" not in said
    assert "[one, two]" not in said


def test_no_key_of_the_config_is_left_without_a_remedy() -> None:
    shapes = ["text", "-1", "1.5", "[]", "{}", "[1]", '{"a": 1}', '[{"a": 1}]', "true"]
    presets = [json.dumps([PRESET | {"memory": shape}]) for shape in shapes]
    tried = [{key: shape} for key in keys() for shape in shapes]
    for changed in [*tried, *({"presets": text} for text in presets)]:
        for line in mistakes(changed):
            assert not line.endswith(("write it so", "correct the value")), line
            assert "docs/configuration.md" not in line, line


def keys() -> list[str]:
    return [key for key in VALID if key != "kubernetes"] + [
        *("replicas", "force", "labels", "cache", "network", "ingress", "autoscaling", "rollout"),
        *("tolerations", "nodeSelector", "extraEnv", "image", "revision", "dtype", "multiNode"),
        *("gpuMemoryUtilization", "maxModelLen", "namespace", "huggingFaceTokenSecret", "name"),
    ]
