"""The gate is tried before anything is created, with the token that the pods will have."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from planning.errors import PlanError
from planning.facts import catalogue_model, model_facts
from planning.gate import PATIENCE, check_gate
from planning.stack import make_plan
from tests.choices import only, preset, stack_settings
from tests.hub.answers import Fault
from tests.hub.checkpoints import mistral_7b_files
from tests.hub.conftest import HASTY, IMPATIENT, READER, STRANGER
from tests.hub.repositories import Repository
from tests.hub.stand_in import HubStandIn

ROOT = Path(__file__).resolve().parents[2]
GATED = "meta-llama/Llama-3.1-8B-Instruct"
UNKNOWN = "mistralai/Mistral-7B-Instruct-v0.3"
OPEN = "intfloat/e5-mistral-7b-instruct"
UNLISTED = "acme/Seven-Billion"


def publish(hub: HubStandIn, name: str, **facts: Any) -> Repository:
    commit = {} if name == UNLISTED else {"commit": catalogue_model(name).revision}
    return hub.add(Repository(name, mistral_7b_files(), **commit, **facts))


def attempt(name: str, *, token: str | None = None, **keys: object) -> tuple[str, ...]:
    settings = stack_settings([preset("l4")], model=name, **keys)
    return check_gate(settings, catalogue_model(name), token=token, patience=IMPATIENT)


def refusal(name: str, *, token: str | None = None, **keys: object) -> str:
    with pytest.raises(PlanError) as caught:
        attempt(name, token=token, **keys)
    return str(only(caught.value.mistakes))


@pytest.mark.parametrize("name", [GATED, UNKNOWN])
def test_a_shut_gate_without_a_token_names_the_terms_and_the_key(
    hub: HubStandIn, name: str
) -> None:
    publish(hub, name, gated="manual", readers=frozenset({READER}))
    text = refusal(name)
    assert text.startswith(f"huggingFaceToken: model '{name}' is gated and no token was given; ")
    assert f"accept its terms on {hub.endpoint}/{name} and set huggingFaceToken to" in text
    assert "checkAccess" in text


def test_a_token_without_access_is_told_from_none_and_shown_to_nobody(hub: HubStandIn) -> None:
    publish(hub, GATED, gated="manual", readers=frozenset({READER}))
    text = refusal(GATED, token=STRANGER)
    assert "the account of the given token has no access" in text
    assert STRANGER not in text


def test_a_token_that_the_hub_does_not_know_is_refused(hub: HubStandIn) -> None:
    publish(hub, GATED, gated="manual", readers=frozenset({READER}))
    text = refusal(GATED, token="hf_revoked")
    assert text.startswith("huggingFaceToken: ")
    assert "mistyped, expired or revoked" in text


def test_a_token_with_access_passes_without_a_word_and_reads_no_weights(hub: HubStandIn) -> None:
    publish(hub, GATED, gated="manual", readers=frozenset({READER}))
    assert attempt(GATED, token=READER) == ()
    assert not any("safetensors" in path for path in hub.paths())


def test_a_model_of_unknown_gate_that_is_open_needs_no_token(hub: HubStandIn) -> None:
    publish(hub, UNKNOWN)
    assert attempt(UNKNOWN) == ()


@pytest.mark.parametrize("token", [None, "", " \n"])
def test_the_token_of_this_machine_does_not_count_since_no_pod_has_it(
    hub: HubStandIn, monkeypatch: pytest.MonkeyPatch, token: str | None
) -> None:
    publish(hub, GATED, gated="manual", readers=frozenset({READER}))
    monkeypatch.setenv("HF_TOKEN", READER)
    assert "no token was given" in refusal(GATED, token=token)
    assert {request.token for request in hub.requests} == {None}


def test_a_model_that_was_looked_up_is_tried_again_only_as_nobody(
    hub: HubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(hub, UNLISTED, private=True, readers=frozenset({READER}))
    settings = stack_settings([preset("l4")], model=UNLISTED)
    found = model_facts(UNLISTED, token=READER)
    asked = len(hub.requests)
    assert check_gate(settings, found, token=READER) == ()
    assert len(hub.requests) == asked
    monkeypatch.setenv("HF_TOKEN", READER)
    with pytest.raises(PlanError) as caught:
        check_gate(settings, model_facts(UNLISTED), token=None, patience=IMPATIENT)
    assert "private or does not exist" in str(caught.value)


def test_the_planned_revision_is_the_one_that_is_tried(hub: HubStandIn) -> None:
    publish(hub, GATED)
    assert refusal(GATED, revision="b" * 40).startswith("revision: ")


def test_the_mirror_of_the_pods_is_asked(hub: HubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(hub, GATED)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert attempt(GATED, extraEnv={"HF_ENDPOINT": hub.endpoint}) == ()
    assert hub.requests


def test_a_model_known_to_be_open_asks_nothing(hub: HubStandIn) -> None:
    assert attempt(OPEN) == attempt(OPEN, token=READER) == ()
    assert hub.requests == []


def test_switched_off_it_asks_nothing(hub: HubStandIn) -> None:
    assert attempt(GATED, checkAccess=False) == ()
    assert hub.requests == []


def notes(**keys: Any) -> str:
    settings = stack_settings([preset("l4")], model=GATED, **keys)
    return "\n".join(make_plan(settings, stack="dev").notes)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("huggingFaceTokenSecret", {"name": "hugging-face"}),
        ("huggingFaceTokenExternal", {"store": "vault", "key": "hugging-face"}),
    ],
)
def test_a_token_that_only_the_cluster_knows_is_said_to_be_untried(
    hub: HubStandIn, key: str, value: dict[str, str]
) -> None:
    assert attempt(GATED, **{key: value}) == ()  # pyright: ignore[reportArgumentType]
    assert hub.requests == []
    assert f"gate: not tried, since only the cluster knows the token of {key}" in notes(
        **{key: value}
    )
    assert "gate:" not in notes() + notes(**{key: value, "checkAccess": False})


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(where=".", times=9, status=503), "HTTP status 503"),
        (Fault(where=".", times=9, status=429), "the Hub refuses further requests for now"),
        (Fault(where=".", times=9, status=403), "it lacks the right"),
        (Fault(where=".", times=9, status=200, body=b"<html>"), "it is not JSON"),
        (Fault(where=".", times=9, hang_up=True), "the connection broke off"),
    ],
)
def test_a_hub_that_does_not_answer_is_one_warning(
    hub: HubStandIn, fault: Fault, reason: str
) -> None:
    publish(hub, GATED)
    hub.play(fault)
    (warning,) = attempt(GATED)
    assert warning.startswith(f"checkAccess: the gate of {GATED} was not tried: {reason}")
    assert "\n" not in warning


def test_a_hub_that_keeps_silent_is_one_warning(hub: HubStandIn) -> None:
    publish(hub, GATED)
    hub.play(Fault(where=".", times=9, delay=60))
    settings = stack_settings([preset("l4")], model=GATED)
    (warning,) = check_gate(settings, catalogue_model(GATED), token=None, patience=HASTY)
    assert warning.startswith(f"checkAccess: the gate of {GATED} was not tried: no answer came in")


def test_no_connection_is_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    (warning,) = attempt(GATED)
    assert "was not tried: no connection could be made" in warning


@pytest.mark.parametrize("value", ["1", "true", "YES"])
def test_offline_is_one_warning_and_no_request(
    hub: HubStandIn, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    (warning,) = attempt(GATED)
    assert "was not tried: HF_HUB_OFFLINE is set" in warning
    assert hub.requests == []


def test_a_hub_that_never_ends_its_answer_holds_a_preview_for_seconds(hub: HubStandIn) -> None:
    publish(hub, GATED)
    hub.play(Fault(where=".", times=9, drip=0.05))
    settings = stack_settings([preset("l4")], model=GATED)
    began = time.monotonic()
    (warning,) = check_gate(settings, catalogue_model(GATED), token=None)
    assert "no complete answer within 5 seconds" in warning
    assert time.monotonic() - began < PATIENCE.total + 20


@pytest.mark.parametrize(
    ("keys", "offline"), [({"model": OPEN}, ""), ({"model": GATED}, "1"), ({"model": GATED}, "")]
)
def test_only_a_gate_that_is_tried_imports_the_client_of_the_hub(
    keys: dict[str, object], offline: str
) -> None:
    program = (
        "import sys\n"
        "from planning.facts import model_facts\nfrom planning.gate import check_gate\n"
        "from tests.choices import preset, stack_settings\n"
        "settings = stack_settings([preset('l4')], model=sys.argv[1])\n"
        "check_gate(settings, model_facts(sys.argv[1]), token=None)\n"
        "print('huggingface_hub' in sys.modules)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(keys["model"])],
        env={**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": offline},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert ran.stdout.strip() == str(keys["model"] == GATED and not offline)
