"""The flag lists: how they are read from a wheel, chosen by version, and matched to a spelling."""

from __future__ import annotations

import argparse
import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from catalog.flags import FlagList, is_option, load_flags
from tools import vllm_flags

ENGINE = """
class EngineArgs:
    def add_cli_args(parser):
        kwargs = get_kwargs(CacheConfig)
        parser.add_argument("--dtype", "-d", **kwargs["dtype"])
        parser.add_argument("--eager", **kwargs["eager"])
        parser.add_argument("--prefix", **{**kwargs["prefix"], "default": None})
        named = kwargs["inherited"]
        parser.add_argument("--named", **named)
        parser.add_argument("--token", **kwargs["token"])
        parser.add_argument("--old-token", type=str, nargs="?", const=True)
        parser.add_argument("--quiet", action="store_true")
        parser.add_argument("--strict", action=argparse.BooleanOptionalAction)
        parser.add_argument("--modes", **kwargs["modes"])
"""
CONFIG = """
class Base:
    inherited: SkipValidation[bool] = True
class CacheConfig(Base):
    dtype: str = "auto"
    eager: bool = False
    prefix: "Optional[bool]" = None
    token: bool | str | None = None
    modes: dict[str, bool] | None = None
"""
FRONTEND = """
class BaseFrontendArgs:
    api_key: list[str] | None = None
class FrontendArgs(BaseFrontendArgs):
    port: int = 8000
    log_outputs: bool = False
def make_arg_parser(parser):
    parser.add_argument("model_tag")
    parser.add_argument("--headless", action="store_true")
"""
SERVE = 'parser.add_argument("--grpc", action="store_true")'


def wheel_with(folder: Path, **changed: str) -> Path:
    files = {
        "vllm/engine/arg_utils.py": changed.get("engine", ENGINE),
        "vllm/config/cache.py": changed.get("config", CONFIG),
        "vllm/entrypoints/common/cli_args.py": changed.get("frontend", FRONTEND),
        "vllm/entrypoints/cli/serve.py": SERVE,
        "vllm/model.py": "import torch  # never read",
    }
    wheel = folder / "vllm-9.1.0-cp38-abi3-manylinux_2_28_x86_64.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return wheel


def kinds_in(wheel: Path) -> dict[str, str]:
    _, sources = vllm_flags.read_wheel(wheel)
    return {flag.spellings[0]: flag.kind for flag in vllm_flags.serve_flags(sources)}


def test_each_way_that_vllm_declares_an_option_is_read(tmp_path: Path) -> None:
    assert kinds_in(wheel_with(tmp_path)) == {
        "--api-key": "value",
        "--dtype": "value",
        "--eager": "bool",
        "--grpc": "switch",
        "--headless": "switch",
        "--log-outputs": "bool",
        "--modes": "value",
        "--named": "bool",
        "--old-token": "optional",
        "--port": "value",
        "--prefix": "bool",
        "--quiet": "switch",
        "--strict": "bool",
        "--token": "optional",
    }


@pytest.mark.parametrize(
    "changed",
    [
        {"config": "class Base: pass"},
        {"config": CONFIG.replace("    eager: bool = False\n", "")},
        {"engine": ENGINE.replace('**kwargs["eager"]', "**made_elsewhere()")},
        {"frontend": "class FrontendArgs: pass"},
    ],
)
def test_a_wheel_that_cannot_be_resolved_is_an_error_and_not_a_list_with_holes(
    tmp_path: Path, changed: dict[str, str]
) -> None:
    with pytest.raises(vllm_flags.UnreadableWheelError):
        kinds_in(wheel_with(tmp_path, **changed))


def test_the_script_writes_the_same_list_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm_flags, "FLAG_LISTS", tmp_path)
    wheel = str(wheel_with(tmp_path))
    written: list[bytes] = []
    for _ in range(2):
        assert vllm_flags.main([wheel]) == 0
        written.append((tmp_path / "9.1.0.json").read_bytes())
    assert written[0] == written[1]
    assert json.loads(written[0])["other_spellings"] == {"-d": "--dtype"}


@pytest.mark.parametrize("path", sorted(vllm_flags.FLAG_LISTS.glob("*.json")), ids=lambda p: p.stem)
def test_each_committed_list_is_what_the_script_wrote_for_that_version(path: Path) -> None:
    body = json.loads(path.read_text("utf-8"))
    assert body["version"] == path.stem == body["wheel"].split("-")[1]
    assert set(body["other_spellings"].values()) <= set(body["flags"])
    assert path.read_text("utf-8") == json.dumps(body, indent=1, sort_keys=True) + "\n"


def test_the_list_of_0_20_2_has_what_its_real_parser_had() -> None:
    # vLLM 0.20.2 was installed once and asked: 240 options with --help, 305 long spellings.
    flags = load_flags("0.20.2")
    longs = [spelling for spelling in flags.spellings if spelling.startswith("--")]
    assert (len(flags.kinds), len(longs)) == (239, 305)
    assert sum(kind == "bool" for kind in flags.kinds.values()) == 66


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("0.31.0", "0.31.0"),
        ("v0.31.0-cu129", "0.31.0"),
        ("0.31.0+rocm723", "0.31.0"),
        ("v0.20.2-ubuntu2404", "0.20.2"),
    ],
)
def test_a_version_with_a_list_gets_it_without_a_note(asked: str, expected: str) -> None:
    assert (load_flags(asked).version, load_flags(asked).note) == (expected, "")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("0.32.1", "0.31.0"),
        ("0.30.0", "0.20.2"),
        ("0.100.0", "0.33.0"),
        ("0.8.5.post1", "0.19.1"),
        ("nightly", "0.33.0"),
    ],
)
def test_a_version_without_a_list_gets_the_nearest_and_a_note_that_says_so(
    asked: str, expected: str
) -> None:
    flags = load_flags(asked)
    assert flags.version == expected
    assert asked in flags.note
    assert expected in flags.note


@pytest.mark.parametrize(
    ("argument", "flag"),
    [
        ("--max_model_len", "--max-model-len"),
        ("--max-model-len=4096", "--max-model-len"),
        ("--max-model", "--max-model-len"),
        ("--no-enforce-eager", "--enforce-eager"),
        ("--no_enforce_eager", "--enforce-eager"),
        ("--compilation-config.mode", "--compilation-config"),
        ("--compilation_config.pass_config.fuse_x=true", "--compilation-config"),
        ("-cc.mode=3", "--compilation-config"),
        ("-tp", "--tensor-parallel-size"),
        ("-tp=4", "--tensor-parallel-size"),
        ("-qawq", "--quantization"),
        ("-O3", "--optimization-level"),
        ("--device-memory-utilization", "--gpu-memory-utilization"),
    ],
)
def test_every_spelling_that_vllm_takes_names_its_flag(argument: str, flag: str) -> None:
    assert load_flags("0.31.0").candidates(argument) == (flag,)


def test_an_ambiguous_prefix_names_all_that_it_could_be_and_an_unknown_flag_none() -> None:
    flags = load_flags("0.31.0")
    assert {"--max-num-seqs", "--max-num-batched-tokens"} <= set(flags.candidates("--max-num"))
    assert flags.candidates("--max-modell-len") == ()
    assert flags.nearest("--max-modell-len") == "--max-model-len"


class RecordingParser(argparse.ArgumentParser):
    """The standard library's parser with a version's flags: what vLLM's own is built on."""

    def __init__(self, flags: FlagList) -> None:
        super().__init__(add_help=False)
        by_flag: dict[str, list[str]] = {}
        for spelling, flag in flags.spellings.items():
            by_flag.setdefault(flag, []).append(spelling)
        for flag, spellings in by_flag.items():
            self.add_argument(*spellings, dest=flag, nargs="*", default=argparse.SUPPRESS)

    def error(self, message: str) -> None:  # type: ignore[override]
        raise ValueError(message)


FLAGS = load_flags("0.31.0")
PARSER = RecordingParser(FLAGS)


@settings(max_examples=300, deadline=None)
@example("-ac", 2, "=7")
@given(st.sampled_from(sorted(FLAGS.spellings)), st.integers(2, 40), st.sampled_from(["", "=7"]))
def test_a_shortened_spelling_means_what_argparse_says_it_means(
    spelling: str, length: int, value: str
) -> None:
    argument = spelling[:length] + value
    if not is_option(argument) or argument.startswith(("--=", "-O")) or argument == "--":
        return
    candidates = FLAGS.candidates(argument)
    try:
        parsed, unknown = PARSER.parse_known_args([argument])
    except ValueError:
        # argparse asks for the full name, even if the spellings are of one flag.
        name = argument.partition("=")[0]
        assert sum(known.startswith(name) for known in FLAGS.spellings) > 1
        assert candidates
        return
    assert candidates == tuple(vars(parsed))
    assert bool(unknown) == (not candidates)
