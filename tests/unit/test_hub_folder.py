"""A checkpoint on disk reads as the same checkpoint on the Hub does."""

from dataclasses import replace
from pathlib import Path

import pytest

from planning.checkpoint import UnsupportedModelError
from planning.checkpoint_folder import read_folder
from planning.checkpoint_model import model_of
from planning.hub import look_up
from tests.hub.checkpoints import MISTRAL_7B_CONFIG, mistral_7b, mistral_7b_files
from tests.hub.repositories import READER, File, Repository, json_file, safetensors
from tests.hub.stand_in import running_hub


def headers_only(folder: Path, files: dict[str, File]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, file in files.items():
        (folder / name).write_bytes(file.head)
    return folder


def test_headers_alone_give_the_record_that_the_hub_gives(tmp_path: Path) -> None:
    folder = headers_only(tmp_path / "seven", mistral_7b_files())
    known = Repository("acme/seven", mistral_7b_files())
    # Without a token the look-up would take that of this machine's user, which nobody here knows.
    with running_hub([known], frozenset({READER})) as hub:
        remote = model_of(look_up("acme/seven", token=READER, endpoint=hub.endpoint))
    local = model_of(read_folder(folder))
    assert local == replace(remote, id="seven", revision=None)


def test_the_index_decides_in_a_folder_too(tmp_path: Path) -> None:
    files = mistral_7b_files()
    del files["params.json"]
    checkpoint = read_folder(headers_only(tmp_path / "seven", files))
    assert [name.split("-")[0] for name in checkpoint.weights.files] == ["model", "model"]
    assert len(checkpoint.tensors) == len(mistral_7b())


def test_a_template_in_the_tokenizer_makes_a_folder_a_chat_model(tmp_path: Path) -> None:
    files = {
        "config.json": json_file(MISTRAL_7B_CONFIG),
        "model.safetensors": safetensors(mistral_7b()),
    }
    folder = headers_only(tmp_path / "seven", files)
    assert model_of(read_folder(folder)).task == "completion"
    (folder / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
    assert model_of(read_folder(folder)).task == "chat"


@pytest.mark.parametrize("head", [b"", b"\xff" * 16, b"\x04\x00\x00\x00\x00\x00\x00\x00null"])
def test_a_file_without_a_header_counts_by_its_size(tmp_path: Path, head: bytes) -> None:
    files = {
        "config.json": json_file(MISTRAL_7B_CONFIG),
        "model.safetensors": File(head=head, size=len(head)),
    }
    checkpoint = read_folder(headers_only(tmp_path / "seven", files))
    assert checkpoint.tensors == ()
    assert checkpoint.size == len(head)


def test_a_broken_config_is_named(tmp_path: Path) -> None:
    folder = headers_only(tmp_path / "seven", mistral_7b_files())
    (folder / "config.json").write_text("[1]")
    with pytest.raises(UnsupportedModelError, match=r"config\.json is not a JSON object"):
        read_folder(folder)
