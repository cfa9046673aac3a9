"""The stack config: every mistake in one message, and no secret in any of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from settings import Preset, parse
from settings.mistakes import Mistake, as_message, did_you_mean
from settings.models import StackSettings
from settings.preset_files import PresetFileError, read_presets
from settings.stack_files import read_stack_file

ROOT = Path(__file__).resolve().parents[2]
PRESET = {"name": "l4", "vendor": "nvidia", "product": "l4", "gpus": 1, "cpu": "4", "memory": "8Gi"}
VALID = {
    "model": "mistral-7b-instruct",
    "presets": json.dumps([PRESET]),
    "kubernetes": '{"context": "sandbox"}',
    "ingress": '{"host": "llm.example.com"}',
}


def mistakes(changed: dict[str, str], *, secret: tuple[str, ...] = ()) -> list[str]:
    """Parse a valid config with changes, and give its mistakes as lines."""
    parsed = parse(VALID | changed, secret=frozenset(secret))
    assert (parsed.settings is None) == bool(parsed.mistakes)
    return [str(mistake) for mistake in parsed.mistakes]


def only(changed: dict[str, str], *, secret: tuple[str, ...] = ()) -> str:
    (line,) = mistakes(changed, secret=secret)
    return line


def test_a_minimal_config_is_accepted_and_takes_the_defaults_of_the_models() -> None:
    parsed = parse(VALID, secret=frozenset())
    assert parsed.mistakes == ()
    assert parsed.settings is not None
    assert parsed.settings.presets[0] == Preset.model_validate(PRESET)
    assert parsed.settings.autoscaling.max_replicas == 5
    assert parsed.settings.cache.retain


def test_five_mistakes_of_different_kinds_give_five_lines() -> None:
    found = mistakes(
        {
            "modle": "x",
            "replicas": "two",
            "dtype": "bfloat17",
            "autoscaling": '{"enabled": true, "minReplicas": 9, "maxReplicas": 3}',
        }
    )
    # The last of them breaks a rule with maxReplicas, and another with the cache's access mode.
    keys = ["autoscaling.minReplicas", "cache.accessMode", "dtype", "modle", "replicas"]
    assert [line.partition(":")[0] for line in found] == keys


def test_an_unknown_key_names_the_key_that_was_meant() -> None:
    assert only({"autoScaling": "{}"}) == (
        "autoScaling: is not a key; unknown keys are refused; did you mean 'autoscaling'?"
    )


def test_an_unknown_nested_key_lists_the_keys_of_its_own_section() -> None:
    line = only({"cache": '{"zzz": 1}'})
    assert line.startswith("cache.zzz: is not a key; the keys here are accessMode, adopt, ")


def test_a_mistake_in_a_list_names_its_place() -> None:
    presets = json.dumps([PRESET, PRESET | {"name": "b", "vendor": "intel"}])
    line = only({"presets": presets})
    assert line.startswith("presets[1].vendor: 'intel' is refused; it is 'nvidia' or 'amd'")


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"ingress": "llm.example.com"}, "ingress: 'llm.example.com' is refused; it is a section"),
        ({"serverExtraArgs": "--enforce-eager"}, "serverExtraArgs: '--enforce-eager' is refused; "),
        ({"labels": '["team"]'}, "labels: ['team'] is refused; it is a section of keys"),
        ({"labels": '{"on": true}'}, "labels.on: True is refused; it is a text, in quotes where"),
    ],
)
def test_a_value_of_another_shape_is_told_the_one_of_its_key(
    changed: dict[str, str], line: str
) -> None:
    found = only(changed)
    assert found.startswith(line)
    assert any(shape in found for shape in ("it is a list", "it is a section of keys", "a text"))


@pytest.mark.parametrize("name", ["7b", "0", "-a", "", "a.b"])
def test_a_name_that_no_service_may_have_is_refused(name: str) -> None:
    assert only({"name": name}).startswith(f"name: {name!r} is refused; it ")


def test_a_missing_key_says_so_where_the_value_should_stand() -> None:
    raw = {key: value for key, value in VALID.items() if key != "model"}
    (mistake,) = parse(raw, secret=frozenset()).mistakes
    assert str(mistake) == "model: is missing; it has no default; set it in the stack file"


@pytest.mark.parametrize(
    ("image", "refused"),
    [
        ("vllm/vllm-openai:latest", True),
        ("vllm/vllm-openai", True),
        ("localhost:5000/vllm", True),
        ("vllm/vllm-openai:v0.31.0", False),
        ("vllm/vllm-openai@sha256:" + "a" * 64, False),
    ],
)
def test_only_an_image_with_a_fixed_tag_or_digest_is_accepted(image: str, refused: bool) -> None:
    assert bool(mistakes({"image": image})) == refused


@pytest.mark.parametrize("quantity", ["1.5Gi", "01Gi", "0", "10 Gi", "-1Gi", "10GB"])
def test_a_quantity_that_kubernetes_would_rewrite_is_refused(quantity: str) -> None:
    assert only({"cache": json.dumps({"size": quantity})}).startswith("cache.size: ")


def test_numbers_in_yaml_are_quantities_too() -> None:
    presets = json.dumps([PRESET | {"cpu": 4}])
    parsed = parse(VALID | {"presets": presets}, secret=frozenset())
    assert parsed.settings is not None
    assert parsed.settings.presets[0].cpu == "4"


def test_a_branch_is_no_revision() -> None:
    assert "a branch changes under a running stack" in only({"revision": "main"})


def test_a_token_in_clear_is_refused_and_never_repeated() -> None:
    line = only({"huggingFaceToken": "hf_abcdefghijkl"})
    assert "hf_abcdefghijkl" not in line
    assert "pulumi config set --secret huggingFaceToken" in line


def test_a_secret_token_is_accepted_and_is_no_part_of_the_settings() -> None:
    secret = frozenset({"huggingFaceToken"})
    parsed = parse(VALID | {"huggingFaceToken": "hf_abcdefghijkl"}, secret=secret)
    assert parsed.settings is not None
    assert "hf_" not in repr(parsed)


def test_a_secret_inside_another_key_is_refused() -> None:
    line = only({"extraEnv": '{"KEY": "value"}'}, secret=("extraEnv",))
    assert line.startswith("extraEnv: holds an encrypted value")
    assert 'value"' not in line


def test_a_secret_where_none_may_be_has_a_remedy_that_the_key_takes() -> None:
    line = only({"extraEnv": '{"KEY": "value"}'}, secret=("extraEnv",))
    assert "{name: SECRET, key: ENTRY}" in line
    assert mistakes({"extraEnv": '{"KEY": {"name": "outside", "key": "entry"}}'}) == []
    assert only({"labels": "{}"}, secret=("labels",)).endswith("in clear, if it is no secret")


def test_a_value_that_looks_like_a_token_is_not_repeated() -> None:
    assert "hf_abcdefghijkl" not in only({"dtype": "hf_abcdefghijkl"})


def test_settings_cannot_be_changed() -> None:
    settings = parse(VALID, secret=frozenset()).settings
    assert settings is not None
    with pytest.raises(ValidationError):
        settings.model = "other"


def test_declared_defaults_are_those_of_the_models() -> None:
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    fields = {field.alias: field.default for field in StackSettings.model_fields.values()}
    for key, entry in declared.items():
        if ":" not in key:
            assert entry["default"] == fields[key], key


def test_a_preset_file_is_read_and_its_faults_are_named(tmp_path: Path) -> None:
    file = tmp_path / "presets.yaml"
    file.write_text(yaml.safe_dump({"presets": [PRESET]}))
    assert read_presets(str(file)) == [PRESET]
    for content, fault in (("presets: [", "is no YAML at line"), ("other: 1", "has another shape")):
        file.write_text(content)
        with pytest.raises(PresetFileError, match=fault):
            read_presets(str(file))
    with pytest.raises(PresetFileError, match="cannot be read"):
        read_presets(str(tmp_path / "absent.yaml"))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"\xff\xfep", "is no text in UTF-8"),
        (b"presets:\n- name: 2026-13-45", "holds a date or number that does not exist"),
        (b"presets: " + b"9" * 5000, "holds a date or number that does not exist"),
        (b"presets: " + b"[" * 5000, "is nested too deep"),
    ],
)
def test_a_preset_file_that_no_text_or_value_can_be_read_from_is_named(
    tmp_path: Path, content: bytes, fault: str
) -> None:
    file = tmp_path / "presets.yaml"
    file.write_bytes(content)
    assert f"presets: the file '{file}' {fault}; " in only({"presets": str(file)})


def test_a_path_that_no_file_can_have_is_named() -> None:
    assert "cannot be read" in only({"presets": "presets\0.yaml"})


@pytest.mark.parametrize("text", ["[" * 100_000, "[" + "9" * 5000 + "]"])
def test_json_that_cannot_be_read_is_a_mistake_of_its_key(text: str) -> None:
    assert only({"tolerations": text}).startswith("tolerations: '[")
    assert only({"apiKeys": text}, secret=("apiKeys",)).startswith("apiKeys: holds no list of keys")


def test_a_missing_preset_file_is_the_only_mistake_it_makes(tmp_path: Path) -> None:
    line = only({"presets": str(tmp_path / "absent.yaml")})
    assert "cannot be read (No such file or directory)" in line


def test_a_stack_file_gives_text_as_pulumi_does_and_hides_what_is_encrypted(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.test.yaml"
    file.write_text(
        "config:\n"
        "  mistral-vllm:model: m\n"
        "  mistral-vllm:replicas: 2\n"
        "  mistral-vllm:cache: {retain: false}\n"
        "  mistral-vllm:huggingFaceToken: {secure: v1:abc}\n"
        "  other:key: x\n"
    )
    found = read_stack_file(file)
    assert found.raw == {
        "model": "m",
        "replicas": "2",
        "cache": '{"retain": false}',
        "huggingFaceToken": "",
    }
    assert found.secret == {"huggingFaceToken"}


def test_the_message_counts_and_sorts_its_lines() -> None:
    two = [Mistake(key=key, wrong="w", rule="r", remedy="y") for key in ("b", "a")]
    assert as_message("dev", two) == (
        "the configuration of stack 'dev' has 2 mistakes; nothing was changed:\n"
        "  - a: w; r; y\n  - b: w; r; y"
    )


def test_a_mistake_stays_on_its_line_whatever_its_key_holds() -> None:
    parsed = parse(VALID | {"labels": '{"a\\nb\\u001b[2J": ""}'}, secret=frozenset())
    message = as_message("dev", parsed.mistakes)
    assert message.splitlines()[1].startswith("  - labels.a\\nb\\x1b[2J: ")
    assert len(message.splitlines()) == 2


def test_did_you_mean_ignores_case_and_stays_silent_when_nothing_is_near() -> None:
    assert did_you_mean("MAXMODELLEN", ["maxModelLen"]) == "maxModelLen"
    assert did_you_mean("zzz", ["maxModelLen"]) is None
