"""Variables of the container: no credential in clear, and references to Secrets instead."""

from __future__ import annotations

import json

import pytest

from planning.download import plan_download
from planning.plan import SecretVariable
from planning.transfer import is_for_transfers, transfer_secrets
from settings import parse
from settings.network import HUB_VARIABLES
from tests.choices import planned, preset
from tests.unit.test_named_secrets import said
from tests.unit.test_settings import VALID, mistakes, only

REFERENCE = {"name": "outside", "key": "value"}
CLOSED = {"network": '{"enabled": false}'}


def variables(**values: object) -> dict[str, str]:
    return {"extraEnv": json.dumps(values)}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTPS_PROXY", "http://user:correct-horse@proxy:3128"),
        ("https_proxy", "user:correct-horse@proxy:3128"),
        ("HF_ENDPOINT", "https://correct-horse@mirror.example.com"),
        ("DATABASE", "postgres://user:correct#horse@db/models"),
        ("OPENAI_API_KEY", "correct-horse"),
        ("SEED", "hf_correcthorse"),
    ],
)
def test_a_credential_in_clear_is_refused_and_never_repeated(name: str, value: str) -> None:
    line = only(variables(**{name: value}))
    assert line.startswith(f"extraEnv.{name}: holds a")
    assert "in clear" in line
    assert "correct" not in line
    assert "horse" not in line


@pytest.mark.parametrize("name", ["", "A=B", "MY VAR", "größe", "7UP", ".", "..A", "A\t"])
@pytest.mark.parametrize("value", ["1", REFERENCE])
def test_a_name_that_no_variable_may_have_is_refused(name: str, value: object) -> None:
    line = only(variables(**{name: value}))
    assert ": is no name of a variable; " in line
    assert line.startswith("extraEnv.")


@pytest.mark.parametrize("name", ["VLLM_USE_V1", "_a", "a.b-c", ".a"])
def test_a_name_that_a_variable_may_have_is_accepted(name: str) -> None:
    assert mistakes(variables(**{name: "1"})) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"extraEnv": "OPENAI_API_KEY=sk-correct"},
        {"extraEnv": "PLAIN=correct"},
        {"extraEnv": '{"A": ["correct"]}'},
        {"serverExtraArgs": "--api-key=sk-correct-horse-battery"},
        {"labels": '["GITHUB_TOKEN=correct"]'},
        {"labels": '[{"VLLM_API_KEY": "correct"}]'},
        {"dtype": "sk-correct-horse-battery"},
        {"dtype": "user:correct@proxy"},
        {"dtype": "hf_correct"},
    ],
)
def test_no_message_repeats_a_value_that_may_be_a_secret(changed: dict[str, str]) -> None:
    (line,) = mistakes(changed)
    assert " is refused; " in line
    assert "correct" not in line


@pytest.mark.parametrize("value", ["https://a.example.com/b", "1@2", "12:30", "a:b/c@d", ""])
def test_a_value_that_only_resembles_one_is_accepted(value: str) -> None:
    assert mistakes(variables(SOMETHING=value)) == []


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "VLLM_API_KEY", "X"])
def test_what_is_refused_in_clear_is_accepted_by_reference(name: str) -> None:
    assert mistakes(variables(**{name: REFERENCE})) == []
    refused = only(variables(**{name: "sk-correct-horse-battery"}))
    assert refused.endswith("by reference to a Secret that exists: {name: SECRET, key: ENTRY}")


@pytest.mark.parametrize("name", [name for name in HUB_VARIABLES if name != "HF_ENDPOINT"])
def test_a_proxy_by_reference_needs_networks_without_policies_since_they_open_its_port(
    name: str,
) -> None:
    line = only(variables(**{name: REFERENCE}))
    assert line.startswith(f"extraEnv.{name}: holds no address with a port that can be read")
    assert mistakes(variables(**{name: REFERENCE}) | CLOSED) == []
    in_clear = variables(**{name: "http://user:word@proxy:3128"})
    assert "and set network.enabled to false" in only(in_clear)
    assert "network.enabled" not in only(in_clear | CLOSED)


def test_a_mirror_and_the_token_are_no_references() -> None:
    line = only(variables(HF_ENDPOINT=REFERENCE) | CLOSED)
    assert line.startswith("extraEnv.HF_ENDPOINT: refers to a Secret; the preview asks")
    line = only(variables(HF_TOKEN=REFERENCE))
    assert line.endswith("set huggingFaceTokenSecret, or the secret huggingFaceToken")


def test_a_reference_is_checked_like_any_section() -> None:
    assert only(variables(A={"name": "outside"})) == (
        "extraEnv.A.key: is missing; it has no default; set it in the stack file"
    )
    assert only(variables(A=REFERENCE | {"nmae": "x"})) == (
        "extraEnv.A.nmae: is not a key; unknown keys are refused; did you mean 'name'?"
    )
    assert only(variables(A=True)).startswith(
        "extraEnv.A: its value is refused; it is a text, or name and key of a Secret's entry; "
    )


def test_numbers_stay_texts() -> None:
    settings = parse(VALID | variables(A=2, B="b"), secret=frozenset()).settings
    assert settings is not None
    assert settings.extra_env == {"A": "2", "B": "b"}


def test_a_reference_is_planned_by_its_secret_and_replaces_what_the_plan_would_set() -> None:
    plan = planned(
        [preset("mi300x")],
        extraEnv={"VLLM_ROCM_USE_AITER": REFERENCE, "HF_HOME": REFERENCE, "A": "plain"},
    )
    assert plan.server.secret_env == (
        SecretVariable(variable="VLLM_ROCM_USE_AITER", secret_name="outside", entry="value"),
    )
    env = dict(plan.server.env)
    assert env["A"] == "plain"
    assert "VLLM_ROCM_USE_AITER" not in env
    told = [line for line in plan.warnings if line.startswith("extraEnv: ")]
    assert [line.split()[1] for line in told] == ["VLLM_ROCM_USE_AITER", "HF_HOME"]


def test_the_download_has_the_same_variables_whether_plain_or_by_reference() -> None:
    names = ("HF_HUB_ETAG_TIMEOUT", "NO_PROXY", "all_proxy", "SSL_CERT_FILE", "VLLM_X", "HOMER")
    plain = plan_download(planned([preset("l4")], extraEnv=dict.fromkeys(names, "x")))
    assert plain is not None
    taken = {name for name, _ in plain.env} & set(names)
    assert taken == {name for name in names if is_for_transfers(name)}
    plan = planned([preset("l4")], extraEnv=dict.fromkeys(names, REFERENCE))
    assert {source.variable for source in transfer_secrets(plan)} == taken
    assert {source.variable for source in plan.server.secret_env} == set(names)


def test_a_secret_of_a_variable_that_is_not_there_is_warned_of() -> None:
    keys = {"extraEnv": {"OPENAI_API_KEY": REFERENCE}}
    (line,) = said({}, **keys)
    assert line.startswith("extraEnv.OPENAI_API_KEY.name: there is no Secret 'outside' in ")
    (line,) = said({"outside": ("other",)}, **keys)
    assert line.startswith("extraEnv.OPENAI_API_KEY.key: the Secret 'outside' has no entry 'value'")
    assert said({"outside": ("value",)}, **keys) == []
