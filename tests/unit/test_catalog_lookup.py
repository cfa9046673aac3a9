"""Finding records by name, and what a bad record says."""

from dataclasses import replace
from pathlib import Path

import pytest

from catalog.loader import UnknownNameError, find_gpu, find_model, load_models, read_models
from catalog.reading import CatalogError
from catalog.rendering import render_model

GOOD = render_model(replace(find_model("mistral-7b-instruct"), sources=("arith",)))


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "models.yaml"
    path.write_text(f"sources: {{arith: sums}}\nmodels:\n{text}")
    return path


@pytest.mark.parametrize(
    ("name", "model_id"),
    [
        ("mistral-7b-instruct", "mistralai/Mistral-7B-Instruct-v0.3"),
        ("mistral-small-24b", "mistralai/Mistral-Small-3.2-24B-Instruct-2506"),
        ("MISTRALAI/mistral-nemo-instruct-2407", "mistralai/Mistral-Nemo-Instruct-2407"),
    ],
)
def test_a_short_name_or_an_id_finds_the_model_whatever_its_case(name: str, model_id: str) -> None:
    assert find_model(name).id == model_id


def test_every_name_finds_its_own_record() -> None:
    for model in load_models():
        for name in (model.id, *model.short_names):
            assert find_model(name) == model


def test_an_unknown_name_lists_near_ones() -> None:
    with pytest.raises(
        UnknownNameError, match=r"'mistral-7b-instrct'.*did you mean mistral-7b-ins"
    ):
        find_model("mistral-7b-instrct")


def test_a_name_like_nothing_lists_nothing() -> None:
    with pytest.raises(UnknownNameError) as caught:
        find_model("zzz/qqq")
    assert caught.value.near == ()


def test_a_gpu_is_found_by_the_label_of_its_nodes() -> None:
    assert find_gpu("NVIDIA-H100-80GB-HBM3") is find_gpu("h100-80")
    assert find_gpu("AMD_Instinct_MI300X_OAM") is find_gpu("mi300x")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("layers: 32", "layers: many", r"architecture\.layers: 'many' is not a whole number"),
        ("  task: chat\n", "", r"v0\.3\.task: is missing"),
        ("  task: chat\n", "  task: talk\n", r"v0\.3\.task: 'talk' is not one of chat, completion"),
        ("  dtype:", "  dtyp:", r"v0\.3\.dtyp: no such key; the keys are id"),
        ("revision: e0bc", "revision: main#", r"revision: 'main#.*' is not a commit sha"),
        ("layers: 32}", "layers: 31}", r"attention: counts 31 layers, not 32"),
        ("kind: full,", "kind: chunked,", r"attention: chunked with window None"),
        ("kind: full,", "kind: latent,", r"architecture\.latent: goes with latent layers"),
        ("sources: [arith]", "sources: [hearsay]", r"sources: hearsay is not under sources"),
        ("weights_bytes: 14496047104", "weights_bytes: 5", r"weights_bytes: 5 is not 0\.5 to 2"),
        ("context: 32768", "context: 99999", r"recommended\.context: 99999 is longer"),
        ("kv_heads: 8", "kv_heads: true", r"kv_heads: True is not a whole number"),
        ("short_names: [mistral", "short_names: x # [mistral", r"short_names: 'x' is not a list"),
    ],
)
def test_a_bad_record_names_the_key_the_value_and_the_rule(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in GOOD
    with pytest.raises(CatalogError, match=rf"models\.yaml: mistralai/Mistral.*{message}"):
        read_models(write(tmp_path, GOOD.replace(old, new, 1)))


def test_two_records_with_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="names two records"):
        read_models(write(tmp_path, GOOD + GOOD))


def test_a_file_that_is_not_yaml_says_where(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"(?s)not valid YAML.*line 3"):
        read_models(write(tmp_path, "- {id: [}\n"))


def test_an_unknown_gate_reads_as_none(tmp_path: Path) -> None:
    (model,) = read_models(write(tmp_path, GOOD))
    assert model.gated is None
    (open_one,) = read_models(write(tmp_path, GOOD.replace("gated: unknown", "gated: false")))
    assert open_one.gated is False
