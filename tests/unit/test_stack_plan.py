"""From settings to a plan: revisions, engine values, warnings, and what is refused."""

import re
from typing import Any

import pytest

from planning.errors import PlanError
from planning.facts import model_facts
from planning.names import image_version
from settings.models import Preset
from settings.parse import parse
from settings.pulumi_config import Secrets
from tests.choices import only, planned, preset

UNPINNED = "mistral-large-3"
L4 = [preset("l4")]
LARGE = [preset("h200", 8)]


def refusal(presets: list[Preset], *, stack: str = "dev", **keys: object) -> str:
    with pytest.raises(PlanError) as caught:
        planned(presets, stack=stack, **keys)
    return str(only(caught.value.mistakes))


def value(args: tuple[str, ...], flag: str) -> str:
    return args[args.index(flag) + 1]


def test_a_model_without_a_commit_is_served_at_main_in_the_stack_dev_with_a_warning() -> None:
    plan = planned(LARGE, model=UNPINNED)
    assert plan.model.revision == value(plan.server.args, "--revision") == "main"
    assert any(line.startswith("revision: ") and "make lock" in line for line in plan.warnings)


@pytest.mark.parametrize("stack", ["prod", "staging", "development"])
def test_a_model_without_a_commit_is_refused_in_other_stacks(stack: str) -> None:
    text = refusal(LARGE, stack=stack, model=UNPINNED)
    assert text.startswith("revision: is missing")
    assert "`make lock MODEL=mistralai/Mistral-Large-3-675B-Instruct-2512`" in text


def test_a_revision_of_the_stack_s_own_is_served_anywhere() -> None:
    plan = planned(LARGE, stack="prod", model=UNPINNED, revision="a" * 40)
    assert plan.model.revision == "a" * 40
    assert not any(line.startswith("revision: ") for line in plan.warnings)


def test_another_commit_than_the_catalogue_s_is_a_warning() -> None:
    plan = planned(L4, stack="prod", revision="a" * 40)
    assert any("the sizes may differ" in line for line in plan.warnings)


def test_the_engine_s_values_are_always_explicit() -> None:
    args = planned(L4).server.args
    for flag in (
        "--max-model-len",
        "--max-num-seqs",
        "--max-num-batched-tokens",
        "--gpu-memory-utilization",
        "--tensor-parallel-size",
        "--dtype",
        "--kv-cache-dtype",
        "--served-model-name",
    ):
        assert args.count(flag) == 1


def test_the_keys_of_the_stack_reach_the_engine() -> None:
    plan = planned(
        [preset("h100-80")],
        model="mistral-small-3.2",
        maxModelLen=16384,
        maxNumSeqs=32,
        maxNumBatchedTokens=4096,
        quantization="fp8",
        kvCacheDtype="fp8",
        gpuMemoryUtilization=0.9,
        dtype="half",
        servedModelName="small",
    )
    asked = {
        "--max-model-len": "16384",
        "--max-num-seqs": "32",
        "--max-num-batched-tokens": "4096",
        "--quantization": "fp8",
        "--kv-cache-dtype": "fp8",
        "--gpu-memory-utilization": "0.9",
        "--dtype": "half",
        "--served-model-name": "small",
    }
    assert {flag: value(plan.server.args, flag) for flag in asked} == asked
    assert plan.model.context_length == 16384
    assert "(asked)" in plan.notes[1]


def test_the_utilisation_is_lowered_where_what_vllm_does_not_count_needs_room() -> None:
    # 14.56 GiB less 1.6 GiB for two ranks leave less than the usual 0.92.
    plan = planned([preset("t4", 2)], dtype="half", maxModelLen=8192)
    assert float(value(plan.server.args, "--gpu-memory-utilization")) < 0.92


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"serverExtraArgs": ("--max-model-len", "9")}, "serverExtraArgs: `--max-model-len` sets"),
        ({"serverExtraArgs": ("--api-key", "x")}, "serverExtraArgs: `--api-key` puts a secret"),
        ({"serverExtraArgs": ("--disable-log-stats=1",)}, "serverExtraArgs: `--disable-log-stats`"),
        ({"extraEnv": {"MY_API_KEY": "x"}}, "extraEnv: MY_API_KEY holds a secret in clear;"),
    ],
)
def test_what_the_command_cannot_take_is_a_mistake_in_three_parts(
    keys: dict[str, Any], message: str
) -> None:
    text = refusal(L4, **keys)
    assert text.startswith(message)
    assert len(text.split("; ")) >= 3


def test_the_mistakes_of_all_parts_are_told_at_once() -> None:
    with pytest.raises(PlanError) as caught:
        planned(
            [preset("v100-32", capacity=2)],
            stack="prod",
            model="mistral-7b-instruct",
            dtype="float16",
            serverExtraArgs=("--port", "9"),
            cache={"storage": "none", "size": "1Gi"},
            ingress={"host": "a..b", "auth": {"kind": "apiKey", "secretName": "vllm-api-key"}},
        )
    keys = ["cache.size", "ingress.auth", "ingress.auth.secretName", "ingress.host"]
    assert sorted(found.key for found in caught.value.mistakes) == [*keys, "serverExtraArgs"]


def test_a_part_that_lacks_another_does_not_hide_the_rest_or_say_the_same_twice() -> None:
    with pytest.raises(PlanError) as caught:
        planned(
            [preset("t4")],
            stack="prod",
            model=UNPINNED,
            cache={"storage": "none", "size": "1Gi"},
            ingress={"host": "a..b"},
        )
    keys = [found.key for found in caught.value.mistakes]
    assert sorted(keys) == ["cache.size", "ingress.host", "presets", "revision"]


def test_an_unknown_flag_is_a_warning_with_a_hint() -> None:
    plan = planned(L4, serverExtraArgs=("--enable-prefiks-caching",))
    assert any("--enable-prefix-caching" in line for line in plan.warnings)


def test_the_user_s_arguments_come_last_and_variables_are_kept_but_for_the_plan_s_own() -> None:
    plan = planned(
        L4,
        serverExtraArgs=("--enable-prefix-caching",),
        extraEnv={"VLLM_LOGGING_LEVEL": "DEBUG", "HF_HOME": "/elsewhere"},
    )
    assert plan.server.args[-1] == "--enable-prefix-caching"
    env = dict(plan.server.env)
    assert env["VLLM_LOGGING_LEVEL"] == "DEBUG"
    assert env["HF_HOME"] == "/models"
    assert any(line.startswith("extraEnv: HF_HOME is ignored") for line in plan.warnings)


def test_an_amd_preset_changes_image_environment_and_devices_only() -> None:
    nvidia, amd = planned([preset("h200")]), planned([preset("mi300x")])
    assert amd.server.image.startswith("vllm/vllm-openai-rocm:")
    assert amd.placement.gpu_resource == "amd.com/gpu"
    assert dict(amd.server.env).keys() > dict(nvidia.server.env).keys()
    assert amd.server.args == nvidia.server.args


def test_a_v100_is_planned_with_its_last_image_as_float16_and_a_warning() -> None:
    plan = planned([preset("v100-32")])
    assert plan.server.image == "vllm/vllm-openai:v0.19.1"
    assert value(plan.server.args, "--dtype") == "half"
    assert any("best effort, never run by this project" in line for line in plan.warnings)
    assert any("was published in bfloat16" in line for line in plan.warnings)


def test_more_replicas_than_the_pool_holds_is_a_warning() -> None:
    few = [preset("l4", capacity=2)]
    assert any("more than its capacity of 2" in w for w in planned(few, replicas=3).warnings)
    assert not any("capacity" in w for w in planned(few, replicas=2).warnings)


def test_idle_gpus_of_a_preset_are_a_warning() -> None:
    plan = planned([preset("l4", 3)])
    assert value(plan.server.args, "--tensor-parallel-size") == "2"
    assert plan.placement.gpus == 3
    assert any("has 3 GPUs, of which the model uses 2" in line for line in plan.warnings)


def test_a_forced_plan_warns_with_the_numbers() -> None:
    tight = [preset("rtx5090", 2)]
    keys: dict[str, Any] = {"model": "mistral-small-3.2", "maxModelLen": 131072}
    assert refusal(tight, **keys).startswith("maxModelLen: ")
    plan = planned(tight, force=True, **keys)
    assert plan.model.context_length == 131072
    assert any(w.startswith("force: ") and "GiB per GPU" in w for w in plan.warnings)
    assert plan.notes[0] == "why: forced, though it does not fit"


def test_an_image_whose_release_is_unknown_is_a_warning() -> None:
    plan = planned(L4, image="example.com/vllm:nightly-7")
    assert plan.server.image == "example.com/vllm:nightly-7"
    assert any("names no vLLM release" in line for line in plan.warnings)


def test_fewer_batched_tokens_than_sequences_is_a_mistake_of_the_config() -> None:
    raw = {"model": "m", "presets": "[]", "maxNumSeqs": "64", "maxNumBatchedTokens": "32"}
    found = [str(mistake) for mistake in parse(raw, secret=frozenset()).mistakes]
    assert any(
        line.startswith("maxNumBatchedTokens: 32 is below maxNumSeqs (64)") for line in found
    )


def test_a_short_name_that_nobody_knows_is_not_asked_of_the_hub() -> None:
    with pytest.raises(PlanError) as caught:
        model_facts("mistral-7b-instrukt")
    assert "did you mean mistral-7b-instruct" in str(only(caught.value.mistakes))


def test_the_token_for_the_look_up_is_not_printed() -> None:
    secrets = Secrets(values={}, look_up_token="hf_hidden")
    assert "hf_hidden" not in repr(secrets)


LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


@pytest.mark.parametrize("tag", ["v0.31.0", f"v0.31.0-{'b' * 54}-20261123", "_nightly.", "v" * 128])
def test_the_version_of_an_image_is_the_value_of_a_label(tag: str) -> None:
    assert LABEL_VALUE.fullmatch(image_version(f"registry.example.com:5000/vllm:{tag}"))


def test_the_version_of_an_image_is_its_tag_or_the_begin_of_its_digest() -> None:
    assert image_version("vllm/vllm-openai:v0.31.0") == "v0.31.0"
    assert image_version(f"vllm/vllm-openai@sha256:{'ab' * 32}") == "ab" * 6
