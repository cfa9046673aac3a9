"""What a user may append to `vllm serve`, and what is refused or reported."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.flags import load_flags
from planning.extra_args import ReviewedArgs, review_extra_args

FLAGS = load_flags("0.31.0")
PLANNED = {
    "--model": "mistralai/Mistral-7B-Instruct-v0.3",
    "--max-model-len": "32768",
    "--tensor-parallel-size": "2",
    "--tool-call-parser": "mistral",
    "--enable-auto-tool-choice": "",
    "--limit-mm-per-prompt": '{"image":10}',
}


def review(*extra: str) -> ReviewedArgs:
    return review_extra_args(extra, PLANNED, FLAGS)


def test_arguments_that_touch_nothing_planned_pass_unchanged_and_without_a_word() -> None:
    extra = ("--seed", "-1", "--enable-prefix-caching", "--chat-template=/a b.jinja", "-O3")
    assert review(*extra) == ReviewedArgs(args=extra)


@pytest.mark.parametrize(
    "extra",
    [
        ("--max-model-len", "4096"),
        ("--max_model_len", "4096"),
        ("--max-model-len=4096",),
        ("--max_model-len=4096",),
        ("--max-model", "4096"),
        ("-tp", "4"),
        ("-tp=4",),
        ("--tensor_parallel_size=4",),
        ("--model", "other/model"),
        ("--device-memory-utilization", "0.5"),
        ("-qawq",),
    ],
)
def test_a_flag_that_only_the_plan_sets_is_refused_in_any_spelling(extra: tuple[str, ...]) -> None:
    reviewed = review("--seed", "1", *extra)
    assert reviewed.args == ()
    assert len(reviewed.refusals) == 1
    assert "only the plan sets" in str(reviewed.refusals[0])


def test_a_refusal_names_the_key_the_planned_value_and_the_key_to_set_instead() -> None:
    (refusal,) = review("--max_model_len=4096").refusals
    assert str(refusal) == (
        "serverExtraArgs: `--max_model_len` sets --max-model-len; only the plan sets it "
        "(`32768`); set `maxModelLen` instead"
    )


@pytest.mark.parametrize(
    ("extra", "replaced"),
    [
        (("--tool-call-parser", "hermes"), "--tool-call-parser"),
        (("--tool_call_parser=hermes",), "--tool-call-parser"),
        (("--no-enable-auto-tool-choice",), "--enable-auto-tool-choice"),
        (("--limit-mm-per-prompt.image", "4"), "--limit-mm-per-prompt"),
        (("--limit-mm-per-prompt.image=4",), "--limit-mm-per-prompt"),
    ],
)
def test_a_flag_of_the_model_s_makers_gives_way_with_a_warning(
    extra: tuple[str, ...], replaced: str
) -> None:
    reviewed = review(*extra)
    assert (reviewed.args, reviewed.replaced) == (extra, {replaced})
    assert replaced in reviewed.warnings[0]


def test_an_unknown_flag_is_a_warning_with_the_version_and_the_nearest_flag() -> None:
    reviewed = review("--max-num-sequences", "8")
    assert reviewed.args == ("--max-num-sequences", "8")
    (warning,) = reviewed.warnings
    assert "vLLM 0.31.0" in warning
    assert "did you mean `--max-num-seqs`?" in warning


def test_a_warning_about_a_stand_in_list_says_that_it_is_one() -> None:
    (warning,) = review_extra_args(["--brand-new"], {}, load_flags("0.32.0")).warnings
    assert "no flag list for vLLM 0.32.0" in warning


def test_a_prefix_of_several_flags_is_a_warning_that_asks_for_the_full_name() -> None:
    (warning,) = review("--data-parallel", "2").warnings
    assert "write it in full" in warning


def test_a_flag_whose_memory_the_plan_does_not_count_is_a_warning() -> None:
    (warning,) = review("--cpu-offload-gb", "8").warnings
    assert "--cpu-offload-gb" in warning


@pytest.mark.parametrize(
    ("extra", "remedy"),
    [
        (("--api-key", "correct-horse"), "ingress"),
        (("--api_key=correct-horse",), "ingress"),
        (("--api-k", "correct-horse"), "ingress"),
        (("--hf-token", "correct-horse"), "huggingFaceToken"),
        (("--hf-token",), "huggingFaceToken"),
        (("--seed", "hf_correcthorse"), "Secret"),
        (("--seed=hf_correcthorse",), "Secret"),
        (("hf_correcthorse",), "Secret"),
        (("--hf_correcthorsebattery",), "Secret"),
        (("--kv-transfer-config", '{"a": {"api_key": "correct-horse"}}'), "Secret"),
        (("--kv-transfer-config.password", "correct-horse"), "Secret"),
    ],
)
def test_a_secret_is_refused_with_the_remedy_and_never_repeated(
    extra: tuple[str, ...], remedy: str
) -> None:
    reviewed = review(*extra, "--unknown")
    assert len(reviewed.refusals) == 1
    assert remedy in str(reviewed.refusals[0])
    assert "correct" not in repr(reviewed)


@pytest.mark.parametrize(
    "extra",
    [
        ("--enforce-eager", "true"),
        ("--enforce-eager=true",),
        ("--disable-log-stats", "1"),
        ("--seed",),
        ("--seed", "--enforce-eager"),
        ("--seed 1",),
        ("--enforce-eager", "--seed 1"),
        ("some/model",),
        ("--", "x"),
    ],
)
def test_what_vllm_s_parser_would_reject_is_refused_before_the_deploy(
    extra: tuple[str, ...],
) -> None:
    assert len(review(*extra).refusals) == 1


@pytest.mark.parametrize("flag", ["--uds", "--headless", "--grpc", "--ssl-certfile", "--config"])
def test_a_flag_that_takes_the_server_off_its_planned_port_is_refused(flag: str) -> None:
    value = () if FLAGS.kinds[flag] == "switch" else ("/x",)
    assert flag in str(review(flag, *value).refusals[0])


@pytest.mark.parametrize("root", ["/", "/v", "/v1", "/models"])
@pytest.mark.parametrize("flag", ["--root-path", "--root_path", "--root"])
def test_a_root_path_which_hides_the_api_from_the_check_of_keys_is_refused(
    flag: str, root: str
) -> None:
    (refusal,) = review(flag, root).refusals
    assert "sets --root-path" in str(refusal)
    assert "API key" in str(refusal)


words = st.text("abcdefgh-_=.{}\"' 019", max_size=12)


@given(
    st.lists(st.one_of(words, words.map("--{}".format), st.sampled_from(sorted(FLAGS.spellings))))
)
def test_any_arguments_are_either_kept_in_order_or_refused_in_words(extra: list[str]) -> None:
    reviewed = review_extra_args(extra, PLANNED, FLAGS)
    assert reviewed.args == (() if reviewed.refusals else tuple(extra))
    messages = [*map(str, reviewed.refusals), *reviewed.warnings]
    assert all(message.startswith("serverExtraArgs: ") for message in messages)


def spelt(flag: str, underscores: bool, with_value: bool, cut: int) -> str:
    name = flag if FLAGS.candidates(flag[:cut]) != (flag,) else flag[:cut]
    name = "--" + name[2:].replace("-", "_") if underscores else name
    return f"{name}=7" if with_value else name


@given(st.sampled_from(sorted(PLANNED)), st.booleans(), st.booleans(), st.integers(4, 30))
def test_a_clash_is_detected_whatever_the_spelling(
    flag: str, underscores: bool, with_value: bool, cut: int
) -> None:
    reviewed = review(spelt(flag, underscores, with_value, cut), *([] if with_value else ["7"]))
    if FLAGS.kinds[flag] == "bool":
        assert "takes no value" in str(reviewed.refusals[0])
    else:
        messages = [*map(str, reviewed.refusals), *reviewed.warnings]
        assert len(messages) == 1
        assert flag in messages[0]
