"""The outputs are a contract: what is committed is what stacks give, and only ever grows."""

import copy
import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from catalog.loader import load_models
from docs import generate
from docs.contract import SCHEMA_FILE, breaches, contract_schema
from planning.outputs import CONTRACT_VERSION, stack_outputs
from planning.stack import make_plan
from settings.auth import AuthKind
from settings.parse import parse
from settings.stack_files import read_stack_file
from tests.choices import planned, preset

ROOT = Path(__file__).resolve().parents[2]
TYPES = {"string": str, "integer": int, "number": (int, float)}
INGRESS: dict[str, object] = {"host": "{app}.example.com", "tls": {"secretName": "tls"}}


@pytest.fixture(autouse=True)
def in_the_projects_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture
def schema() -> Any:
    return json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))


def given() -> list[dict[str, str | int | float]]:
    """Outputs of every committed stack with a model of every task that is pinned."""
    models = {model.task: model.name for model in load_models() if model.revision}
    found: list[dict[str, str | int | float]] = []
    for path in sorted(ROOT.glob("Pulumi.*.yaml")):
        raw = read_stack_file(path).raw | {"preset": "auto"}
        for model in models.values():
            settings = parse(raw | {"model": model}, secret=frozenset()).settings
            assert settings is not None
            found.append(stack_outputs(make_plan(settings, stack=path.suffixes[0][1:])))
    return [*found, *(stack_outputs(planned([preset("l4")], **keys)) for keys in UNCOMMITTED)]


UNCOMMITTED: tuple[dict[str, Any], ...] = (
    {"ingress": {"enabled": False}},
    {"ingress": INGRESS | {"auth": "apiKey"}},
)
"""Settings that give outputs which no committed stack gives, or fewer."""


def test_the_committed_schema_is_what_the_code_says() -> None:
    assert generate.main(["--check"]) == 0, "run python -m docs.generate"


def test_every_stack_gives_what_the_committed_schema_says(schema: Any) -> None:
    for outputs in given():
        assert set(schema["required"]) <= set(outputs) <= set(schema["properties"])
        for name, value in outputs.items():
            wanted = schema["properties"][name]
            assert isinstance(value, TYPES[wanted["type"]]), name
            assert value == wanted.get("const", value)


def test_every_output_is_given_by_some_stack(schema: Any) -> None:
    assert {name for outputs in given() for name in outputs} == set(schema["properties"])


def test_no_output_is_empty_or_in_a_case_of_its_own(schema: Any) -> None:
    assert all(value != "" for outputs in given() for value in outputs.values())
    assert all(name.isalnum() and name[0].islower() for name in schema["properties"])


def test_addresses_follow_what_the_model_can_do() -> None:
    chat = stack_outputs(planned([preset("l4")], ingress=INGRESS))
    assert chat["chatCompletionsUrl"] == f"{chat['appHost']}/v1/chat/completions"
    assert "embeddingsUrl" not in chat
    embedding = stack_outputs(
        planned([preset("l4")], model="e5-mistral-7b", ingress=INGRESS, maxModelLen=4096)
    )
    assert embedding["embeddingsUrl"] == "https://vllm.example.com/v1/embeddings"
    assert "chatCompletionsUrl" not in embedding


def test_without_an_ingress_only_the_address_inside_the_cluster_is_given() -> None:
    outputs = stack_outputs(planned([preset("l4")]))
    assert outputs["internalUrl"] == "http://vllm.llm.svc.cluster.local:8000"
    assert not {"appHost", "apiBaseUrl", "chatCompletionsUrl"} & set(outputs)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_secret_of_the_key_is_named_with_or_without_an_ingress(enabled: bool) -> None:
    keyed: dict[str, Any] = INGRESS | {"enabled": enabled, "auth": "apiKey"}
    plan = planned([preset("l4")], ingress=keyed)
    outputs = stack_outputs(plan)
    assert outputs["authType"] == "apiKey"
    assert (outputs["apiKeySecretName"], outputs["apiKeySecretKey"]) == plan.api_key_secret
    keyed["auth"] = {"kind": "apiKey", "secretName": "mine", "key": "entry"}
    outputs = stack_outputs(planned([preset("l4")], ingress=keyed))
    assert (outputs["apiKeySecretName"], outputs["apiKeySecretKey"]) == ("mine", "entry")


def test_a_consumer_reads_in_the_schema_which_kinds_of_authentication_there_are(
    schema: Any,
) -> None:
    said = schema["properties"]["authType"]["description"]
    assert set(re.findall("`([A-Za-z]+)`", said)) == set(get_args(AuthKind))


def test_a_branch_is_given_as_the_revision_only_where_the_contract_says_so(schema: Any) -> None:
    unpinned = next(model for model in load_models() if not model.revision)
    outputs = stack_outputs(planned([preset("h200", 8)], model=unpinned.name, stack="dev"))
    assert outputs["revision"] == "main"
    assert "`main` in a stack `dev`" in schema["properties"]["revision"]["description"]


def test_the_schema_bears_its_version(schema: Any) -> None:
    assert SCHEMA_FILE.name == f"outputs-v{CONTRACT_VERSION}.json"
    assert schema["properties"]["contractVersion"]["const"] == CONTRACT_VERSION


@pytest.mark.parametrize("name", sorted(contract_schema()["properties"]))  # type: ignore[arg-type]
def test_no_output_can_go_or_change_unseen(name: str, schema: Any) -> None:
    removed, retyped, optional = (copy.deepcopy(schema) for _ in range(3))
    renamed = copy.deepcopy(schema)
    renamed["properties"][f"{name}New"] = renamed["properties"].pop(name)
    del removed["properties"][name]
    retyped["properties"][name]["type"] = "array"
    assert breaches(schema, renamed) == breaches(schema, removed) == [f"'{name}' is gone"]
    assert [line.partition(" was ")[0] for line in breaches(schema, retyped)] == [f"'{name}'"]
    if name in schema["required"]:
        optional["required"].remove(name)
        assert breaches(schema, optional) == [f"'{name}' may be absent"]


def test_an_addition_breaks_nobody(schema: Any) -> None:
    grown = copy.deepcopy(schema)
    grown["properties"]["novelty"] = {"type": "string"}
    grown["properties"]["model"]["description"] = "said otherwise"
    grown["required"] += ["appHost", "novelty"]
    assert breaches(schema, grown) == []


def test_the_generator_refuses_to_write_a_schema_that_breaks_the_committed_one(
    tmp_path: Path, schema: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    schema["properties"]["modelId"] = {"type": "string"}
    committed = tmp_path / "outputs-v1.json"
    committed.write_text(json.dumps(schema))
    assert generate.main([], documents=(), schema=committed) == 1
    said = capsys.readouterr().err
    assert said.startswith("outputs-v1.json: 'modelId' is gone; ")
    assert "raise CONTRACT_VERSION" in said
    assert json.loads(committed.read_text()) == schema
    new_version = tmp_path / "outputs-v2.json"
    assert generate.main(["--check"], documents=(), schema=new_version) == 1
    assert generate.main([], documents=(), schema=new_version) == 0
    assert json.loads(new_version.read_text()) == contract_schema()
