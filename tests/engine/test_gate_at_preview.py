"""The gate under the real engine: a refusal is one message, a Hub that is away changes no byte."""

import re
from pathlib import Path

import pytest

from planning.facts import catalogue_model
from tests.hub.checkpoints import mistral_7b_files
from tests.hub.repositories import Repository
from tests.hub.stand_in import HubStandIn, running_hub
from tests.pulumi_project import STACK, PulumiProject

pytestmark = pytest.mark.engine

MODEL = "mistralai/Mistral-7B-Instruct-v0.3"
READER = "hf_ReaderThatIsNoRealToken"
STACK_FILE = f"""\
config:
  mistral-vllm:model: {MODEL}
  mistral-vllm:preset: nvidia-l4-1
  mistral-vllm:presets: presets/sandbox.yaml
  mistral-vllm:kubernetes: {{renderTo: rendered}}
  mistral-vllm:ingress: {{enabled: false}}
"""
UNTRIED = f"warning: checkAccess: the gate of {MODEL} was not tried"


def new_project(folder: Path, variables: dict[str, str]) -> PulumiProject:
    project = PulumiProject(
        folder=folder / "checkout", backend=folder / "backend", variables=variables
    )
    project.check_out(STACK_FILE)
    project.succeed("stack", "init", STACK)
    return project


def online(hub: HubStandIn, folder: Path) -> dict[str, str]:
    """A machine whose user has no token of his own."""
    return {"HF_HUB_OFFLINE": "", "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(folder / "hf")}


def rendered(project: PulumiProject) -> dict[str, bytes]:
    folder = project.folder / "rendered"
    files = {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*.yaml")}
    assert files
    return files


def test_a_shut_gate_ends_the_preview_and_the_right_token_opens_it(tmp_path: Path) -> None:
    gated = Repository(
        MODEL,
        mistral_7b_files(),
        commit=str(catalogue_model(MODEL).revision),
        gated="manual",
        readers=frozenset({READER}),
    )
    with running_hub([gated], frozenset({READER})) as hub:
        project = new_project(tmp_path, online(hub, tmp_path))
        refused = project.run("preview")
        said = refused.stdout + refused.stderr
        assert refused.returncode != 0
        assert f"huggingFaceToken: model '{MODEL}' is gated and no token was given" in said
        assert "Traceback" not in said
        assert "kubernetes:" not in said
        project.succeed("config", "set", "--secret", "huggingFaceToken", given=READER)
        # A rendered stack takes no token, and of this cluster nothing is asked but its name.
        project.succeed("config", "set", "kubernetes", '{"context": "nowhere"}')
        opened = project.run("preview")
        said = opened.stdout + opened.stderr
        assert "ingress: none" in said or "start budget" in said
        assert "gated" not in said
        assert "checkAccess" not in said
        assert READER not in "".join(project.transcript)


def test_a_hub_that_is_away_is_one_warning_and_changes_no_byte(tmp_path: Path) -> None:
    commit = str(catalogue_model(MODEL).revision)
    offline = new_project(tmp_path / "offline", {})
    said = offline.succeed("up", "--yes", "--skip-preview")
    assert said.partition("Diagnostics:")[2].count(UNTRIED) == 1
    with running_hub([Repository(MODEL, mistral_7b_files(), commit=commit)]) as hub:
        connected = new_project(tmp_path / "online", online(hub, tmp_path))
        said = connected.succeed("up", "--yes", "--skip-preview")
    assert UNTRIED not in said
    assert hub.requests
    assert _without_random_names(rendered(offline)) == _without_random_names(rendered(connected))


def _without_random_names(files: dict[str, bytes]) -> dict[str, bytes]:
    """What the engine names by itself ends with 8 random digits; everything else is compared."""
    digits = re.compile(r"(?<=-)[0-9a-f]{8}\b")
    return {
        digits.sub("*", name): digits.sub("*", text.decode()).encode()
        for name, text in files.items()
    }
