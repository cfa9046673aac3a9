"""Which files of a repository are counted, and how their bytes are found."""

import pytest

from planning.checkpoint import UnsupportedModelError
from planning.hub import look_up
from tests.hub.repositories import (
    File,
    Repository,
    binary,
    json_file,
    safetensors,
    sharded,
    text,
)
from tests.hub.stand_in import HubStandIn

MODEL = "mistralai/Mistral-Tiny"
CONFIG = {"config.json": json_file({"architectures": ["MistralForCausalLM"]})}
PARAMS = {"params.json": json_file({"dim": 64, "n_layers": 2})}

FIRST = {"model.embed_tokens.weight": ("BF16", (1000, 64))}
SECOND = {"lm_head.weight": ("BF16", (1000, 64)), "model.norm.weight": ("F32", (64,))}
WHOLE = FIRST | SECOND
CONSOLIDATED = {"tok_embeddings.weight": ("BF16", (1000, 64)), "output.weight": ("BF16", (10, 64))}


def publish(hub: HubStandIn, *parts: dict[str, File]) -> None:
    files = {name: file for part in parts for name, file in part.items()}
    hub.add(Repository(MODEL, files))


def stored_bytes(tensors: dict[str, tuple[str, tuple[int, ...]]]) -> int:
    file = safetensors(tensors)
    return file.size - len(file.head)


def test_of_two_layouts_with_mistrals_config_the_consolidated_one_counts(hub: HubStandIn) -> None:
    both = {"consolidated.safetensors": safetensors(CONSOLIDATED)} | sharded(
        "model", [FIRST, SECOND]
    )
    publish(hub, CONFIG, PARAMS, both)
    checkpoint = look_up(MODEL)
    assert checkpoint.weights.format == "mistral"
    assert checkpoint.weights.files == ("consolidated.safetensors",)
    assert sum(tensor.size for tensor in checkpoint.tensors) == stored_bytes(CONSOLIDATED)
    assert checkpoint.size == both["consolidated.safetensors"].size


def test_of_two_layouts_without_mistrals_config_the_indexed_one_counts(hub: HubStandIn) -> None:
    both = {"consolidated.safetensors": safetensors(CONSOLIDATED)} | sharded(
        "model", [FIRST, SECOND]
    )
    publish(hub, CONFIG, both)
    checkpoint = look_up(MODEL)
    assert checkpoint.weights.format == "safetensors"
    assert sum(tensor.size for tensor in checkpoint.tensors) == stored_bytes(WHOLE)


def test_of_two_single_files_without_an_index_the_consolidated_one_is_the_copy(
    hub: HubStandIn,
) -> None:
    both = {name: safetensors(WHOLE) for name in ("consolidated.safetensors", "model.safetensors")}
    publish(hub, CONFIG, both)
    assert look_up(MODEL).weights.files == ("model.safetensors",)


def test_a_repository_with_mistrals_config_alone_is_read(hub: HubStandIn) -> None:
    shards = {
        f"consolidated-0000{n}-of-00002.safetensors": safetensors({f"layers.{n}.w": ("BF16", (8,))})
        for n in (1, 2)
    }
    publish(hub, PARAMS, shards)
    checkpoint = look_up(MODEL)
    assert checkpoint.config is None
    assert checkpoint.params == {"dim": 64, "n_layers": 2}
    assert [tensor.name for tensor in checkpoint.tensors] == ["layers.1.w", "layers.2.w"]


def test_copies_in_folders_are_not_counted(hub: HubStandIn) -> None:
    copies = {
        "original/consolidated.safetensors": safetensors(WHOLE),
        "metal/model.safetensors": safetensors(WHOLE),
        "original/params.json": text("{}"),
    }
    publish(hub, CONFIG, {"model.safetensors": safetensors(WHOLE)}, copies)
    assert look_up(MODEL).weights.files == ("model.safetensors",)


def test_the_index_of_a_whole_set_of_shards_is_not_downloaded(hub: HubStandIn) -> None:
    publish(hub, CONFIG, sharded("model", [FIRST, SECOND]))
    look_up(MODEL)
    assert not any(path.endswith("index.json") for path in hub.paths())


def test_the_index_decides_among_shards_that_are_no_whole_set(hub: HubStandIn) -> None:
    extra = {"model-mtp.safetensors": safetensors({"mtp.weight": ("BF16", (8,))})}
    publish(hub, CONFIG, sharded("model", [FIRST, SECOND]), extra)
    assert "model-mtp.safetensors" not in look_up(MODEL).weights.files
    assert any(path.endswith("index.json") for path in hub.paths())


def test_a_file_without_a_readable_header_is_counted_by_its_size(hub: HubStandIn) -> None:
    publish(hub, CONFIG, {"model.safetensors": binary(14_000_000_000, head=b"not a header")})
    checkpoint = look_up(MODEL)
    assert checkpoint.tensors == ()
    assert checkpoint.size == 14_000_000_000


def test_pickles_are_counted_by_size_when_there_is_nothing_better(hub: HubStandIn) -> None:
    pickles = {"pytorch_model-00001-of-00002.bin": binary(5_000), "training_args.bin": binary(7)}
    publish(hub, CONFIG, pickles, {"pytorch_model-00002-of-00002.bin": binary(3_000)})
    checkpoint = look_up(MODEL)
    assert checkpoint.weights.format == "pytorch"
    assert checkpoint.size == 8_000


def test_pickles_beside_safetensors_are_not_counted(hub: HubStandIn) -> None:
    publish(hub, CONFIG, {"model.safetensors": safetensors(WHOLE), "pytorch_model.bin": binary(99)})
    assert look_up(MODEL).weights.files == ("model.safetensors",)


def test_weights_of_many_gib_cost_only_their_headers(hub: HubStandIn) -> None:
    heavy = {f"layers.{n}.weight": ("BF16", (65_536, 65_536)) for n in range(40)}
    publish(hub, PARAMS, {"consolidated.safetensors": safetensors(heavy)})
    checkpoint = look_up(MODEL)
    assert sum(tensor.size for tensor in checkpoint.tensors) == 40 * 2 * 65_536**2
    assert all(request.range for request in hub.requests if "storage" in request.path)


def test_a_header_longer_than_the_first_range_is_read_whole(hub: HubStandIn) -> None:
    experts = {f"layers.0.experts.{n}.w1.weight": ("F8_E4M3", (4, 4)) for n in range(2_000)}
    publish(hub, CONFIG, {"model.safetensors": safetensors(experts)})
    assert len(look_up(MODEL).tensors) == 2_000


def test_a_hundred_shards_are_read_side_by_side(hub: HubStandIn) -> None:
    shards = [{f"model.layers.{n}.weight": ("BF16", (2, 2))} for n in range(100)]
    publish(hub, CONFIG, sharded("model", shards))
    names = [tensor.name for tensor in look_up(MODEL).tensors]
    assert names == [f"model.layers.{n}.weight" for n in range(100)]


def test_everything_is_read_at_the_one_commit_that_the_branch_names(hub: HubStandIn) -> None:
    publish(hub, CONFIG, {"model.safetensors": safetensors(WHOLE)})
    commit = look_up(MODEL).commit
    read = [path for path in hub.paths() if "/resolve/" in path]
    assert len(read) == 2
    assert all(f"/resolve/{commit}/" in path for path in read)


def test_a_moved_repository_goes_by_its_new_name(hub: HubStandIn) -> None:
    publish(hub, CONFIG, {"model.safetensors": safetensors(WHOLE)})
    hub.moved["mistralai/Old-Name"] = MODEL
    assert look_up("mistralai/Old-Name").model == MODEL


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"model.Q4_K_M.gguf": binary(100)}, "GGUF"),
        ({"README.md": text("soon")}, "no \\*.safetensors"),
        (
            {"adapter_config.json": text("{}"), "adapter_model.safetensors": safetensors(WHOLE)},
            "LoRA adapter",
        ),
    ],
)
def test_a_repository_without_weights_for_vllm_is_refused_with_what_it_holds(
    hub: HubStandIn, files: dict[str, File], reason: str
) -> None:
    publish(hub, files)
    with pytest.raises(UnsupportedModelError, match=reason):
        look_up(MODEL)
