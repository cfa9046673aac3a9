"""A model outside the catalogue is looked up, planned, and said to be unpinned."""

import pytest

from planning.errors import PlanError
from planning.explain import preview_lines
from planning.facts import model_facts, stack_model
from planning.stack import make_plan
from tests.choices import only, preset, stack_settings
from tests.hub.checkpoints import mistral_7b_files
from tests.hub.conftest import READER, STRANGER
from tests.hub.repositories import COMMIT, Repository
from tests.hub.stand_in import HubStandIn

NEW = "acme/Seven-Billion"


def mistake(name: str, **asked: str) -> str:
    with pytest.raises(PlanError) as caught:
        model_facts(name, **asked)
    return str(only(caught.value.mistakes))


def test_a_looked_up_model_is_served_at_its_commit_and_the_preview_says_how_to_pin_it(
    hub: HubStandIn,
) -> None:
    hub.add(Repository(NEW, mistral_7b_files()))
    settings = stack_settings([preset("t4"), preset("l4")], model=NEW)
    plan = make_plan(settings, stack="dev", model=model_facts(NEW))
    assert plan.model.revision == COMMIT
    assert plan.placement.preset == "l4-1"
    assert f"make lock MODEL={NEW}" in "\n".join(preview_lines(plan))
    assert any(line.startswith(f"revision: {COMMIT[:12]} is what main") for line in plan.warnings)
    pinned = stack_settings([preset("l4")], model=NEW, revision=COMMIT)
    plan = make_plan(pinned, stack="prod", model=model_facts(NEW, revision=COMMIT))
    assert not any(line.startswith("revision: ") for line in plan.warnings)


def test_outside_dev_a_looked_up_model_needs_its_commit_which_the_message_names(
    hub: HubStandIn,
) -> None:
    hub.add(Repository(NEW, mistral_7b_files()))
    settings = stack_settings([preset("l4")], model=NEW)
    with pytest.raises(PlanError) as caught:
        make_plan(settings, stack="prod", model=model_facts(NEW))
    text = str(only(caught.value.mistakes))
    assert text.startswith("revision: is missing")
    assert f"set revision to {COMMIT}, which main names today" in text


def test_a_model_of_the_catalogue_asks_the_hub_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert model_facts("mistral-7b-instruct").revision


def test_the_stack_s_token_opens_the_gate_and_is_in_no_message(hub: HubStandIn) -> None:
    gated = Repository(NEW, mistral_7b_files(), gated="manual", readers=frozenset({READER}))
    hub.add(gated)
    assert model_facts(NEW, token=READER).gated
    for asked in ({}, {"token": STRANGER}):
        text = mistake(NEW, **asked)
        assert text.startswith(f"model: model '{NEW}' is gated")
        assert STRANGER not in text


def test_a_missing_revision_is_a_mistake_of_that_key(hub: HubStandIn) -> None:
    hub.add(Repository(NEW, mistral_7b_files()))
    said = mistake(NEW, revision="b" * 40)
    assert said.startswith("revision: ")
    # The key takes a commit alone.
    assert "set revision to the full sha of a commit listed on " in said


def test_a_name_with_a_semicolon_is_quoted_whole() -> None:
    assert mistake("acme/a; b").startswith("model: model 'acme/a; b' is not a Hugging Face rep")


def test_a_mirror_that_the_pods_ask_is_asked_for_the_facts_too(
    hub: HubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(Repository(NEW, mistral_7b_files()))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    settings = stack_settings([preset("l4")], model=NEW, extraEnv={"HF_ENDPOINT": hub.endpoint})
    assert stack_model(settings).id == NEW
    assert hub.requests
