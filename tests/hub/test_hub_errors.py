"""Every way in which the Hub may not give a model, through the real huggingface_hub."""

import os
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest

from planning import hub_errors
from planning.hub import check_access, look_up
from planning.hub_errors import HubError
from planning.hub_retry import PATIENCE, Patience
from tests.hub.answers import Fault
from tests.hub.conftest import HASTY, IMPATIENT, READER, STRANGER
from tests.hub.repositories import COMMIT, File, Repository, json_file, safetensors, text
from tests.hub.stand_in import HubStandIn

MODEL = "mistralai/Mistral-Tiny-Instruct"

FILES: dict[str, File] = {
    ".gitattributes": text("*.safetensors filter=lfs"),
    "README.md": text("# Tiny"),
    "config.json": json_file({"architectures": ["MistralForCausalLM"]}),
    "model.safetensors": safetensors({"lm_head.weight": ("BF16", (8, 4))}),
}


def publish(hub: HubStandIn, **facts: object) -> Repository:
    return hub.add(Repository(MODEL, FILES, **facts))  # pyright: ignore[reportArgumentType]


def refusal(
    kind: type[HubError],
    token: str | None = None,
    model: str = MODEL,
    patience: Patience = IMPATIENT,
) -> str:
    with pytest.raises(kind) as caught:
        look_up(model, token=token, patience=patience)
    assert type(caught.value) is kind
    message = str(caught.value)
    assert "\n" not in message
    assert "; " in message, "a sentence without a remedy"
    shown = "".join(traceback.format_exception(caught.value))
    assert "During handling" not in shown, "the library's own account is shown as well"
    return message


def test_a_missing_model_is_not_found_by_a_token(hub: HubStandIn) -> None:
    assert hub.endpoint in refusal(hub_errors.ModelNotFoundError, token=READER)


def test_a_misspelt_model_is_answered_with_the_nearest_public_name(hub: HubStandIn) -> None:
    publish(hub)
    message = refusal(hub_errors.ModelNotFoundError, model="mistralai/Mistral-Tiny-Instrukt")
    assert f"did you mean '{MODEL}'?" in message


def test_a_failing_search_for_near_names_does_not_hide_the_error(hub: HubStandIn) -> None:
    publish(hub, private=True)
    hub.play(Fault(where="^/api/models$", times=1, status=200, body=b"<html>"))
    refusal(hub_errors.PrivateModelError)
    assert "/api/models" in hub.paths()


def test_a_private_model_without_a_token_asks_for_one(hub: HubStandIn) -> None:
    publish(hub, private=True)
    assert "huggingFaceToken" in refusal(hub_errors.PrivateModelError)


def test_a_private_model_is_hidden_from_a_stranger_and_shown_to_a_reader(hub: HubStandIn) -> None:
    publish(hub, private=True, readers=frozenset({READER}))
    assert "private" in refusal(hub_errors.ModelNotFoundError, token=STRANGER)
    assert look_up(MODEL, token=READER).private


def test_a_gated_model_without_a_token_names_the_page_with_its_terms(hub: HubStandIn) -> None:
    publish(hub, gated="auto", readers=frozenset({READER}))
    message = refusal(hub_errors.GatedWithoutTokenError)
    assert f"{hub.endpoint}/{MODEL}" in message


def test_a_gated_model_with_a_token_without_access_says_that_the_account_lacks_it(
    hub: HubStandIn,
) -> None:
    publish(hub, gated="manual", readers=frozenset({READER}))
    assert "account" in refusal(hub_errors.GatedWithoutAccessError, token=STRANGER)


def test_a_gated_model_opens_to_a_token_with_access(hub: HubStandIn) -> None:
    publish(hub, gated="manual", readers=frozenset({READER}))
    assert look_up(MODEL, token=READER).gated


def test_an_access_check_sees_the_gate_and_reads_no_weights(hub: HubStandIn) -> None:
    publish(hub, gated="auto", readers=frozenset({READER}))
    with pytest.raises(hub_errors.GatedWithoutTokenError):
        check_access(MODEL)
    with pytest.raises(hub_errors.GatedWithoutAccessError):
        check_access(MODEL, token=STRANGER)
    check_access(MODEL, token=READER)
    assert not any("safetensors" in path for path in hub.paths())


def test_an_unknown_revision_is_told_from_an_unknown_model(hub: HubStandIn) -> None:
    publish(hub)
    with pytest.raises(hub_errors.RevisionNotFoundError, match="no revision 'v9'"):
        look_up(MODEL, revision="v9")


def test_a_disabled_model_says_so(hub: HubStandIn) -> None:
    publish(hub, disabled=True)
    refusal(hub_errors.ModelDisabledError)


def test_an_invalid_token_is_not_taken_for_a_missing_model(hub: HubStandIn) -> None:
    publish(hub)
    assert "expired" in refusal(hub_errors.InvalidTokenError, token="hf_revoked")


def test_a_mirror_that_gives_no_reason_for_a_401_is_not_said_to_refuse_a_token(
    hub: HubStandIn,
) -> None:
    hub.play(Fault(where="/api/models/", times=1, status=401))
    refusal(hub_errors.PrivateModelError)


def test_a_malformed_model_id_is_refused_before_any_request(hub: HubStandIn) -> None:
    refusal(hub_errors.MalformedModelIdError, model="a/b/c")
    assert hub.requests == []


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_hub_that_keeps_failing_is_down_after_three_attempts(
    hub: HubStandIn, status: int
) -> None:
    publish(hub)
    hub.play(Fault(where="/api/models", times=99, status=status))
    assert str(status) in refusal(hub_errors.HubDownError)
    assert len(hub.requests) == len(IMPATIENT.pauses) + 1


@pytest.mark.parametrize("where", ["/api/models", "config.json", "model.safetensors", "storage"])
def test_a_hub_that_fails_twice_is_asked_a_third_time(hub: HubStandIn, where: str) -> None:
    publish(hub)
    hub.play(Fault(where=where, times=2, status=503))
    assert look_up(MODEL, patience=IMPATIENT).tensors


def test_a_connection_that_breaks_off_is_made_again(hub: HubStandIn) -> None:
    publish(hub)
    hub.play(Fault(where="/api/models", times=1, hang_up=True))
    hub.play(Fault(where="storage", times=1, cut_after=10))
    assert look_up(MODEL, patience=IMPATIENT).tensors


def test_a_server_that_sends_nothing_is_down(hub: HubStandIn) -> None:
    publish(hub)
    hub.play(Fault(where="/api/models", times=99, delay=60.0))
    refusal(hub_errors.HubDownError, patience=HASTY)


def test_a_server_that_sends_a_byte_now_and_then_does_not_hold_the_look_up_beyond_its_time(
    hub: HubStandIn,
) -> None:
    publish(hub)
    hub.play(Fault(where="model.safetensors", times=99, drip=0.05))
    started = time.monotonic()
    with pytest.raises(hub_errors.HubDownError):
        look_up(MODEL, patience=Patience(answer=10.0, pauses=(), total=2.0))
    # Without end the stand-in would go on; what is above 2 s is for a busy machine.
    assert time.monotonic() - started < 20


def test_the_longest_look_up_takes_less_than_forty_seconds() -> None:
    one_request = PATIENCE.answer * (len(PATIENCE.pauses) + 1) + sum(PATIENCE.pauses)
    assert PATIENCE.answer == 10
    assert one_request <= PATIENCE.total < 40


def test_too_many_requests_is_not_called_a_hub_that_is_down(hub: HubStandIn) -> None:
    publish(hub)
    hub.play(Fault(where="/api/models", times=99, status=429))
    assert "limit" in refusal(hub_errors.RateLimitedError)


def test_a_page_of_a_proxy_is_not_taken_for_a_hub(hub: HubStandIn) -> None:
    hub.play(Fault(where="/api/models", times=99, status=200, body=b"<html>Please log in</html>"))
    assert "HF_ENDPOINT" in refusal(hub_errors.UnexpectedAnswerError)


def test_json_of_some_other_server_is_not_taken_for_a_hub(hub: HubStandIn) -> None:
    hub.play(Fault(where="/api/models", times=99, status=200, body=b"{}"))
    refusal(hub_errors.UnexpectedAnswerError)


def test_an_unreadable_config_is_named(hub: HubStandIn) -> None:
    hub.add(Repository(MODEL, {**FILES, "config.json": text("{")}))
    assert "config.json" in refusal(hub_errors.UnexpectedAnswerError)


def test_no_connection_is_offline_and_names_the_lock(hub: HubStandIn) -> None:
    with pytest.raises(hub_errors.HubOfflineError, match=f"make lock MODEL={MODEL}"):
        look_up(MODEL, endpoint="http://127.0.0.1:9", patience=IMPATIENT)
    assert hub.requests == []


def test_an_endpoint_without_a_scheme_is_named(hub: HubStandIn) -> None:
    with pytest.raises(hub_errors.UnexpectedAnswerError, match="HF_ENDPOINT is not"):
        look_up(MODEL, endpoint=hub.endpoint.removeprefix("http://"), patience=IMPATIENT)


def test_the_token_reaches_the_hub_and_neither_the_storage_host_nor_a_message(
    hub: HubStandIn,
) -> None:
    publish(hub, gated="auto", readers=frozenset({READER}))
    look_up(MODEL, token=READER)
    asked_hub = [r for r in hub.requests if r.host in hub.endpoint]
    asked_storage = [r for r in hub.requests if r.host in hub.storage_host]
    assert {r.token for r in asked_hub} == {READER}
    assert {r.token for r in asked_storage} == {None}
    assert STRANGER not in refusal(hub_errors.GatedWithoutAccessError, token=STRANGER)


@pytest.mark.parametrize("token", ["hf_se\ncret", "hf_secr\u00e9t", "hf se cret"])
def test_a_token_that_no_header_can_carry_is_refused_without_being_shown(
    hub: HubStandIn, token: str
) -> None:
    with pytest.raises(hub_errors.InvalidTokenError) as caught:
        look_up(MODEL, token=token)
    shown = "".join(traceback.format_exception(caught.value))
    assert token not in shown
    assert repr(token) not in shown
    assert hub.requests == []


def test_a_token_with_a_line_break_at_its_end_is_taken_as_it_was_meant(hub: HubStandIn) -> None:
    publish(hub, private=True, readers=frozenset({READER}))
    assert look_up(MODEL, token=f"{READER}\n").commit == COMMIT


def test_the_tokens_of_the_stack_and_of_the_environment_are_honoured_in_this_order(
    hub: HubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(hub, private=True, readers=frozenset({READER}))
    monkeypatch.setenv("HF_TOKEN", READER)
    assert look_up(MODEL).commit == COMMIT
    assert {request.token for request in hub.requests} >= {READER}
    refusal(hub_errors.ModelNotFoundError, token=STRANGER)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, COMMIT),
        ({"HF_HUB_OFFLINE": "1"}, "HubOfflineError"),
        ({"HF_TOKEN": "hf_revoked"}, "InvalidTokenError"),
    ],
)
def test_the_environment_of_a_fresh_process_is_honoured(
    hub: HubStandIn, tmp_path: Path, settings: dict[str, str], expected: str
) -> None:
    publish(hub, private=True, readers=frozenset({READER}))
    program = (
        "import sys\n"
        "from planning.hub import look_up\n"
        "try:\n    print(look_up(sys.argv[1]).commit)\n"
        "except Exception as error:\n    print(type(error).__name__)\n"
    )
    known = {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": READER, "HF_HOME": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", program, MODEL],
        env={**os.environ, **known, **settings},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert ran.stdout.strip() == expected
