"""A model that has been locked is in the catalogue, and nothing else there has moved."""

import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import date, datetime, tzinfo
from pathlib import Path

import pytest

from catalog.loader import MODELS_FILE, read_models
from catalog.reading import CatalogError
from catalog.records import Model
from planning.checkpoint import Checkpoint, UnsupportedModelError, WeightSet
from planning.hub import look_up
from planning.lock import lock, main
from tests.hub.checkpoints import MISTRAL_7B_CONFIG, mistral_7b_files
from tests.hub.conftest import READER
from tests.hub.repositories import COMMIT, Repository, binary, json_file
from tests.hub.stand_in import HubStandIn

TODAY = date(2026, 11, 23)
KNOWN = "mistralai/Mistral-7B-Instruct-v0.3"
NEW = "acme/Seven-Billion"


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    return Path(shutil.copy(MODELS_FILE, tmp_path / "models.yaml"))


def record(catalogue: Path, name: str) -> Model:
    return next(model for model in read_models(catalogue) if model.id == name)


def blocks(text: str) -> dict[str, str]:
    parts = text.partition("\nmodels:\n")[2].split("- id: ")[1:]
    return {part.partition("\n")[0]: part.rstrip("\n") for part in parts}


def test_a_new_model_is_added_with_its_commit_and_the_date(
    hub: HubStandIn, catalogue: Path
) -> None:
    hub.add(Repository(NEW, mistral_7b_files(), facts={"tags": ["license:mit"]}))
    done = lock(NEW, catalogue, today=TODAY)
    assert done.is_new
    assert done.model == record(catalogue, NEW)
    assert done.model.revision == COMMIT
    assert done.model.notes == ("locked on 2026-11-23",)
    assert done.model.license == "mit"
    assert done.model.weights_bytes == 14_496_047_104


def test_a_lock_leaves_every_other_byte_as_it_was(hub: HubStandIn, catalogue: Path) -> None:
    before = catalogue.read_text()
    hub.add(Repository(NEW, mistral_7b_files()))
    lock(NEW, catalogue, today=TODAY)
    after = catalogue.read_text()
    added = after.splitlines(keepends=True)
    for line in before.splitlines(keepends=True):
        assert line in added
    others = {name: block for name, block in blocks(after).items() if name != NEW}
    assert others == blocks(before)
    block = f"- id: {blocks(after)[NEW]}\n\n"
    source = next(line for line in added if line.startswith("  hub: "))
    assert after.replace(block, "").replace(source, "") == before.replace(source, "")


def test_the_catalogue_stays_sorted(hub: HubStandIn, catalogue: Path) -> None:
    for name in (NEW, "zeta/Last", "mistralai/Mistral-7B-Instruct-v0.25"):
        hub.add(Repository(name, mistral_7b_files()))
        lock(name, catalogue, today=TODAY)
    names = list(blocks(catalogue.read_text()))
    assert names == sorted(names)


def test_a_second_lock_of_the_same_day_changes_no_byte(hub: HubStandIn, catalogue: Path) -> None:
    hub.add(Repository(KNOWN, mistral_7b_files()))
    assert lock(KNOWN, catalogue, today=TODAY).has_changed
    first = catalogue.read_bytes()
    assert not lock(KNOWN, catalogue, today=TODAY).has_changed
    assert catalogue.read_bytes() == first


def test_a_later_lock_replaces_date_and_commit(hub: HubStandIn, catalogue: Path) -> None:
    hub.add(Repository(NEW, mistral_7b_files()))
    lock(NEW, catalogue, today=TODAY)
    hub.add(Repository(NEW, mistral_7b_files(), commit="b" * 40))
    done = lock(NEW, catalogue, today=date(2027, 1, 2))
    assert not done.is_new
    assert done.model.revision == "b" * 40
    assert done.model.notes == ("locked on 2027-01-02",)


def test_a_lock_by_short_name_keeps_what_people_wrote(
    hub: HubStandIn, catalogue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = record(catalogue, KNOWN)
    monkeypatch.setenv("HF_TOKEN", READER)
    hub.add(Repository(KNOWN, mistral_7b_files(), gated="auto", readers=frozenset({READER})))
    lock(before.short_names[0], catalogue, today=TODAY)
    after = record(catalogue, KNOWN)
    assert after.short_names == before.short_names
    assert after.vllm_args == before.vllm_args
    assert after.recommended == before.recommended
    assert after.architecture == before.architecture
    assert after.weights_bytes == before.weights_bytes
    assert set(after.notes) > set(before.notes)
    assert (after.revision, after.gated) == (COMMIT, True)


def test_file_sizes_do_not_replace_bytes_that_the_catalogue_knows_better(
    hub: HubStandIn, catalogue: Path
) -> None:
    before = record(catalogue, KNOWN)
    files = {"config.json": json_file(MISTRAL_7B_CONFIG), "pytorch_model.bin": binary(15 * 10**9)}
    hub.add(Repository(KNOWN, files))
    done = lock(KNOWN, catalogue, today=TODAY)
    assert done.model.weights_bytes == before.weights_bytes
    assert done.model.confidence == before.confidence
    assert done.model.revision == COMMIT


def strange(name: str) -> Checkpoint:
    return Checkpoint(
        model=name,
        commit=COMMIT,
        weights=WeightSet(format="safetensors", files=("model.safetensors",)),
        size=1,
        tensors=(),
        config={"architectures": ["StrangeForCausalLM"]},
        params=None,
        gated=False,
        private=False,
        has_chat_template=True,
    )


def test_a_known_model_is_pinned_even_if_its_facts_cannot_be_derived(catalogue: Path) -> None:
    before = record(catalogue, KNOWN)
    lock(KNOWN, catalogue, look_up=lambda name, _: strange(name), today=TODAY)
    after = record(catalogue, KNOWN)
    assert after.revision == COMMIT
    assert replace(after, revision=None, gated=None, notes=()) == replace(
        before, revision=None, gated=None, notes=()
    )


def test_an_unknown_model_that_cannot_be_planned_changes_nothing(catalogue: Path) -> None:
    before = catalogue.read_bytes()
    with pytest.raises(UnsupportedModelError, match="StrangeForCausalLM"):
        lock(NEW, catalogue, look_up=lambda name, _: strange(name))
    assert catalogue.read_bytes() == before


def test_a_short_name_that_is_taken_gets_the_owner_before_it(
    hub: HubStandIn, catalogue: Path
) -> None:
    hub.add(Repository("Acme/Mistral-7B-Instruct-v0.3", mistral_7b_files()))
    done = lock("Acme/Mistral-7B-Instruct-v0.3", catalogue)
    assert done.model.short_names == ("acme-mistral-7b-instruct-v0.3",)


def test_a_record_that_breaks_a_rule_of_the_catalogue_leaves_the_file_alone(
    hub: HubStandIn, catalogue: Path
) -> None:
    before = catalogue.read_bytes()
    config = {**MISTRAL_7B_CONFIG, "layer_types": ["full_attention"] * 31}
    hub.add(Repository(NEW, {**mistral_7b_files(), "config.json": json_file(config)}))
    hub.repositories[NEW] = replace(
        hub.repositories[NEW],
        files={n: f for n, f in hub.repositories[NEW].files.items() if n != "params.json"},
    )
    with pytest.raises(CatalogError, match="counts 31 layers, not 32"):
        lock(NEW, catalogue)
    assert catalogue.read_bytes() == before
    assert [path.name for path in catalogue.parent.iterdir()] == ["models.yaml"]


class Noon(datetime):
    """A clock that does not pass midnight between two runs of the command."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "Noon":
        return cls(2026, 11, 23, 12, tzinfo=tz)


def test_the_command_says_what_it_did_and_what_it_could_not(
    hub: HubStandIn,
    catalogue: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("planning.lock.datetime", Noon)
    hub.add(Repository(NEW, mistral_7b_files()))
    arguments = [NEW, "--catalogue", str(catalogue)]
    assert [main(arguments), main(arguments)] == [0, 0]
    assert main(["acme/Nothing", "--catalogue", str(catalogue)]) == 1
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        f"models.yaml: added {NEW} at {COMMIT}",
        f"models.yaml: already holds {NEW} at {COMMIT}",
    ]
    assert shown.err.startswith("error: model 'acme/Nothing' is private or does not exist")


def test_a_locked_model_is_read_without_the_client_of_the_hub(
    hub: HubStandIn, catalogue: Path
) -> None:
    hub.add(Repository(NEW, mistral_7b_files()))
    locked = lock(NEW, catalogue, look_up=look_up, today=TODAY).model
    program = (
        "import sys, pathlib, planning.lock\n"
        "from catalog.loader import read_models\n"
        "models = read_models(pathlib.Path(sys.argv[1]))\n"
        "print(next(m.revision for m in models if m.id == sys.argv[2]))\n"
        "print('huggingface_hub' in sys.modules)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(catalogue), NEW],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert ran.stdout.split() == [locked.revision, "False"]
