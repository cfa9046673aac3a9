"""What the consumer takes from a stack's outputs is what the committed contract promises."""

import ast
import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONSUMER = ROOT / "examples" / "consumer"
SCHEMA = json.loads((ROOT / "schemas" / "outputs-v1.json").read_text(encoding="utf-8"))
PRODUCER = "organization/mistral-vllm/dev"
OUTPUTS: dict[str, object] = {
    "contractVersion": 1.0,
    "appHost": "https://llm.example.com",
    "internalUrl": "http://vllm.llm.svc.cluster.local:8000",
    "servedModelName": "mistral",
    "namespace": "llm",
    "authType": "none",
}
KEYED = OUTPUTS | {
    "authType": "apiKey",
    "apiKeySecretName": "vllm-api-key",
    "apiKeySecretKey": "key",
}


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Modules of the consumer's own project, by name."""
    monkeypatch.setattr(sys, "path", [str(CONSUMER), *sys.path])
    for name in ("contract", "client"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module


def refusal(consumer: Callable[[str], Any], outputs: dict[str, object]) -> str:
    contract = consumer("contract")
    with pytest.raises(contract.ContractError) as caught:
        contract.read_contract(PRODUCER, outputs)
    text = str(caught.value)
    assert text.startswith(PRODUCER)
    assert "\n" not in text
    return text


def variables(
    consumer: Callable[[str], Any],
    outputs: dict[str, object],
    namespace: str = "llm",
    own_secret: str | None = None,
) -> dict[str, Any]:
    known = consumer("contract").read_contract(PRODUCER, outputs)
    given = consumer("client").environment(known, namespace, own_secret)
    return {v.name: v.value or v.value_from.secret_key_ref for v in given}


def read_names() -> set[str]:
    """Outputs that the consumer asks for, by its source."""
    calls = ast.walk(ast.parse((CONSUMER / "contract.py").read_text(encoding="utf-8")))
    return {
        call.args[-1].value
        for call in calls
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in {"_text", "_required"}
        and isinstance(call.args[-1], ast.Constant)
        and isinstance(call.args[-1].value, str)
    }


def test_what_it_reads_is_in_the_committed_schema() -> None:
    names = read_names()
    assert {"appHost", "servedModelName", "namespace"} <= names
    assert names - set(SCHEMA["properties"]) == set()


def test_what_it_requires_is_required_by_the_committed_schema(
    consumer: Callable[[str], Any],
) -> None:
    for name in OUTPUTS:
        without = {key: value for key, value in OUTPUTS.items() if key != name}
        if name in SCHEMA["required"]:
            assert name in refusal(consumer, without)
        else:
            consumer("contract").read_contract(PRODUCER, without)


def test_another_version_is_refused_in_one_sentence(consumer: Callable[[str], Any]) -> None:
    text = refusal(consumer, OUTPUTS | {"contractVersion": 99.0})
    assert "contract version 99, and this project knows version 1" in text


def test_a_stack_of_some_other_program_is_refused(consumer: Callable[[str], Any]) -> None:
    assert "has no output contractVersion" in refusal(consumer, {"url": "x"})


def test_an_output_of_another_type_is_refused(consumer: Callable[[str], Any]) -> None:
    assert "appHost that is no text" in refusal(consumer, OUTPUTS | {"appHost": 1.0})


def test_without_an_ingress_it_calls_the_address_inside_the_cluster(
    consumer: Callable[[str], Any],
) -> None:
    closed = {key: value for key, value in OUTPUTS.items() if key != "appHost"}
    assert variables(consumer, closed)["APP_HOST"] == OUTPUTS["internalUrl"]
    assert variables(consumer, OUTPUTS)["APP_HOST"] == OUTPUTS["appHost"]


def test_the_key_is_a_reference_to_the_producer_s_secret_beside_the_model(
    consumer: Callable[[str], Any],
) -> None:
    key = variables(consumer, KEYED)["OPENAI_API_KEY"]
    assert (key.name, key.key) == ("vllm-api-key", "key")
    assert "OPENAI_API_KEY" not in variables(consumer, OUTPUTS)


def test_in_another_namespace_the_key_is_a_copy_that_the_config_names(
    consumer: Callable[[str], Any],
) -> None:
    with pytest.raises(Exception, match="cannot read Secret vllm-api-key of namespace llm"):
        variables(consumer, KEYED, "chat")
    key = variables(consumer, KEYED, "chat", "copy")["OPENAI_API_KEY"]
    assert (key.name, key.key) == ("copy", "key")


def test_a_credential_that_is_no_key_is_refused(consumer: Callable[[str], Any]) -> None:
    with pytest.raises(Exception, match="asks its callers for basic"):
        variables(consumer, OUTPUTS | {"authType": "basic"})
