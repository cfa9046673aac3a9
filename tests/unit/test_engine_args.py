"""The `vllm serve` command of every catalogue model on every GPU kind."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from catalog.flags import FlagList, load_flags
from catalog.loader import find_gpu, find_model, load_gpus, load_models
from catalog.records import Gpu, Model
from planning.engine_args import EngineCommand, EngineRequest, engine_command

MISTRAL = find_model("mistralai/Mistral-7B-Instruct-v0.3")
H100 = find_gpu("h100-80")
FORMAT_FLAGS = ("--tokenizer-mode", "--config-format", "--load-format")


def request(model: Model = MISTRAL, gpu: Gpu = H100, **decided: object) -> EngineRequest:
    plain = EngineRequest(
        model=model,
        gpu=gpu,
        tensor_parallel=2,
        max_model_len=32768,
        max_num_seqs=128,
        max_num_batched_tokens=8192,
        gpu_memory_utilization=0.92,
        revision=model.revision,
        served_model_name=model.id,
    )
    return replace(plain, **decided)


def flags_of(gpu: Gpu) -> FlagList:
    return load_flags(gpu.image.vllm_version)


def command(model: Model = MISTRAL, gpu: Gpu = H100, **decided: object) -> EngineCommand:
    return engine_command(request(model, gpu, **decided), flags_of(gpu))


class ServeParser(argparse.ArgumentParser):
    """Takes exactly the flags of one version, in full, each at most once."""

    def __init__(self, flags: FlagList) -> None:
        super().__init__(add_help=False, allow_abbrev=False)
        self.add_argument("model")
        for flag, kind in flags.kinds.items():
            bare = kind in {"bool", "switch"}
            self.add_argument(flag, action="store_true" if bare else "store", default=None)

    def error(self, message: str) -> None:  # type: ignore[override]
        raise ValueError(message)


PARSERS = {
    version: ServeParser(load_flags(version))
    for version in sorted({gpu.image.vllm_version for gpu in load_gpus()})
}


def parsed(made: EngineCommand, gpu: Gpu) -> dict[str, object]:
    values = vars(PARSERS[gpu.image.vllm_version].parse_args(made.args))
    return {
        name if name == "model" else f"--{name.replace('_', '-')}": value
        for name, value in values.items()
        if value is not None
    }


@pytest.mark.parametrize("gpu", load_gpus(), ids=lambda gpu: gpu.key)
def test_vllm_s_version_takes_the_command_of_every_catalogue_model(gpu: Gpu) -> None:
    flags = flags_of(gpu)
    assert flags.note == ""
    for model in load_models():
        made = command(model, gpu, shutdown_timeout=40)
        options = [argument for argument in made.args if argument.startswith("--")]
        assert made.args[0] == model.id
        assert set(options) <= set(flags.kinds)
        assert len(options) == len(set(options))
        assert set(parsed(made, gpu)) == {"model", *options} - {"--model"}
        assert (made.refusals, made.warnings) == ((), ())


@pytest.mark.parametrize("model", load_models(), ids=lambda model: model.id)
def test_every_command_states_what_the_plan_decided(model: Model) -> None:
    stated = parsed(command(model, H100, shutdown_timeout=40), H100)
    expected = {
        "model": model.id,
        "--served-model-name": model.id,
        "--port": "8000",
        "--tensor-parallel-size": "2",
        "--max-model-len": "32768",
        "--max-num-seqs": "128",
        "--max-num-batched-tokens": "8192",
        "--gpu-memory-utilization": "0.92",
        "--kv-cache-dtype": "auto",
        "--shutdown-timeout": "40",
    }
    assert stated | expected == stated
    assert stated.get("--revision") == model.revision


@pytest.mark.parametrize("model", load_models(), ids=lambda model: model.id)
def test_the_mistral_format_and_the_parsers_stand_only_where_they_belong(model: Model) -> None:
    stated = parsed(command(model), H100)
    if model.weight_format == "mistral":
        assert [stated[flag] for flag in FORMAT_FLAGS] == ["mistral"] * 3
    else:
        assert not {"--config-format", "--load-format"} & stated.keys()
    if model.task != "chat":
        assert not {"--tool-call-parser", "--reasoning-parser"} & stated.keys()
    assert ("--enable-auto-tool-choice" in stated) == ("--tool-call-parser" in stated)


def test_a_plain_instruct_model_gets_the_whole_command_in_a_fixed_order() -> None:
    model = replace(MISTRAL, revision="e0bc86c23ce5aae1db576c8cca6f06f1f73af2db")
    assert command(model, served_model_name="mistral", shutdown_timeout=40) == EngineCommand(
        args=(
            "mistralai/Mistral-7B-Instruct-v0.3",
            *("--revision", "e0bc86c23ce5aae1db576c8cca6f06f1f73af2db"),
            *("--served-model-name", "mistral"),
            *("--host", "0.0.0.0"),  # noqa: S104
            *("--port", "8000"),
            *("--tensor-parallel-size", "2"),
            *("--dtype", "bfloat16"),
            *("--kv-cache-dtype", "auto"),
            *("--max-model-len", "32768"),
            *("--max-num-seqs", "128"),
            *("--max-num-batched-tokens", "8192"),
            *("--gpu-memory-utilization", "0.92"),
            *("--shutdown-timeout", "40"),
            *("--tokenizer-mode", "mistral"),
            *("--config-format", "mistral"),
            *("--load-format", "mistral"),
            *("--tool-call-parser", "mistral"),
            "--enable-auto-tool-choice",
        ),
        env=(),
    )


def test_a_value_that_the_plan_decides_is_not_taken_from_the_makers_flags() -> None:
    model = replace(
        MISTRAL,
        vllm_args=("--max-model-len", "9", "--dtype", "half", "--trust-remote-code", "--seed", "7"),
    )
    stated = parsed(command(model), H100)
    assert (stated["--max-model-len"], stated["--dtype"]) == ("32768", "bfloat16")
    assert (stated["--trust-remote-code"], stated["--seed"]) == (True, "7")


@pytest.mark.parametrize("key", ["v100-16", "v100-32"])
def test_volta_gets_its_last_version_half_precision_and_triton_attention(key: str) -> None:
    volta = find_gpu(key)
    stated = parsed(command(MISTRAL, volta), volta)
    assert volta.image.vllm_version == "0.19.1"
    assert (stated["--dtype"], stated["--attention-backend"]) == ("half", "TRITON_ATTN")


def test_latent_attention_is_left_to_choose_its_own_backend() -> None:
    model = next(model for model in load_models() if model.architecture.latent)
    assert "--attention-backend" not in command(model, find_gpu("v100-32")).args


def test_a_t4_gets_half_precision_and_chooses_its_own_attention() -> None:
    turing = find_gpu("t4")
    stated = parsed(command(MISTRAL, turing), turing)
    assert stated["--dtype"] == "half"
    assert "--attention-backend" not in stated


def test_a_wished_type_that_the_gpu_cannot_run_is_refused_with_the_ones_it_can() -> None:
    (refusal,) = command(MISTRAL, find_gpu("t4"), dtype="bfloat16").refusals
    assert str(refusal).startswith("dtype: `bfloat16` does not run on ")
    assert "it runs float16" in str(refusal)
    assert command(MISTRAL, H100, dtype="float16").refusals == ()


@pytest.mark.parametrize("model", load_models(), ids=lambda model: model.id)
def test_the_same_version_on_amd_and_nvidia_takes_the_same_arguments(model: Model) -> None:
    assert command(model, find_gpu("mi300x")).args == command(model, H100).args


@pytest.mark.parametrize("gpu", load_gpus(), ids=lambda gpu: gpu.key)
def test_the_environment_follows_the_vendor_and_holds_no_debugging_variable(gpu: Gpu) -> None:
    env = dict(command(MISTRAL, gpu).env)
    assert bool(env) == (gpu.vendor == "amd")
    assert not [name for name in env if name.startswith(("TORCH_", "HSA_", "AMD_", "NCCL_"))]
    built = gpu.vendor == "amd" and gpu.architecture != "gfx90a"
    assert env.get("VLLM_ROCM_USE_AITER") == ("1" if built else None)


def test_the_users_variables_are_added_in_order_and_a_replaced_one_is_reported() -> None:
    made = command(MISTRAL, find_gpu("mi300x"), extra_env={"ZED": "1", "VLLM_ROCM_USE_AITER": "0"})
    assert made.env == (("SAFETENSORS_FAST_GPU", "1"), ("VLLM_ROCM_USE_AITER", "0"), ("ZED", "1"))
    (warning,) = made.warnings
    assert warning.startswith("extraEnv: VLLM_ROCM_USE_AITER replaces")


@pytest.mark.parametrize(
    "extra_env", [{"HF_TOKEN": "correct"}, {"VLLM_API_KEY": "correct"}, {"SEED": "hf_correct"}]
)
def test_a_secret_in_a_plain_variable_is_refused_and_never_repeated(
    extra_env: dict[str, str],
) -> None:
    made = command(extra_env=extra_env)
    (refusal,) = made.refusals
    assert "by reference" in str(refusal)
    assert "correct" not in repr(made)


def test_what_the_user_overrides_is_stated() -> None:
    stated = parsed(
        command(quantization="fp8", kv_cache_dtype="fp8", enforce_eager=True, port=9000), H100
    )
    assert stated["--quantization"] == stated["--kv-cache-dtype"] == "fp8"
    assert (stated["--enforce-eager"], stated["--port"]) == (True, "9000")


def test_a_version_without_a_shutdown_timeout_is_not_given_one() -> None:
    flags = load_flags("0.31.0")
    kinds = {flag: kind for flag, kind in flags.kinds.items() if flag != "--shutdown-timeout"}
    made = engine_command(request(shutdown_timeout=40), replace(flags, kinds=kinds))
    assert "--shutdown-timeout" not in made.args
    assert made.warnings == ()


def test_an_image_whose_vllm_lacks_a_planned_flag_is_reported() -> None:
    flags = load_flags("0.31.0")
    kinds = {flag: kind for flag, kind in flags.kinds.items() if flag != "--load-format"}
    (warning,) = engine_command(request(), replace(flags, kinds=kinds)).warnings
    assert warning.startswith("image: vLLM 0.31.0 has no --load-format")


def test_a_replaced_flag_stands_once_and_with_the_users_value() -> None:
    made = command(extra_args=("--tool_call_parser=hermes",))
    assert "--tool-call-parser" not in made.args
    assert made.args[-1] == "--tool_call_parser=hermes"
    assert len(made.warnings) == 1


def test_a_refused_argument_leaves_nothing_of_the_user_in_the_command() -> None:
    made = command(extra_args=("--seed", "7", "--api-key", "correct-horse"))
    assert made.args == command().args
    assert len(made.refusals) == 1
    assert "correct-horse" not in repr(made)


@given(
    st.lists(
        st.sampled_from(
            [("--seed", "3"), ("--trust-remote-code",), ("--uvicorn_log_level=debug",), ("-O2",)]
        ),
        unique=True,
    ),
    st.sampled_from(load_models()),
    st.sampled_from(load_gpus()),
)
@example([("--trust-remote-code",)], find_model("kimi-k2-instruct"), H100)
def test_the_users_arguments_come_last_and_the_command_is_always_the_same(
    pairs: list[tuple[str, ...]], model: Model, gpu: Gpu
) -> None:
    extra = tuple(argument for pair in pairs for argument in pair)
    made = command(model, gpu, extra_args=extra)
    # What the model's makers ask for too stands once.
    named = {flag for flag, *_ in pairs}
    planned = tuple(argument for argument in command(model, gpu).args if argument not in named)
    assert made.args == planned + extra
    assert json.dumps(made.args) == json.dumps(command(model, gpu, extra_args=extra).args)
