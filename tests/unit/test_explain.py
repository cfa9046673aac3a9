"""What `python -m planning` and the preview print."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.loader import load_models
from planning.__main__ import main
from planning.errors import PlanError
from planning.explain import PREVIEW_LINES, explanation_lines, preview_lines
from planning.plan import Plan
from planning.table import COLUMNS
from settings.models import Preset
from settings.preset_files import read_presets
from tests.choices import of_vendor, planned, preset
from tests.hub.checkpoints import mistral_7b_files

ROOT = Path(__file__).resolve().parents[2]
EXPLAIN_KEYS = {
    "model",
    "revision",
    "weightsGiB",
    "kvBytesPerToken",
    "maxModelLen",
    "tensorParallel",
    "preset",
    "requiredGiBPerGpu",
    "usableGiBPerGpu",
    "hourlyPrice",
    "image",
    "args",
    "env",
    "refused",
}
MEMORY_KEYS = {
    "weightsGiB",
    "activationGiB",
    "cudaGraphGiB",
    "nonTorchGiB",
    "kvCacheGiB",
    "kvCacheTokens",
    "fits",
    "maxModelLenThatFits",
}


@pytest.fixture(autouse=True)
def in_the_projects_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def sandbox() -> list[Preset]:
    raw = read_presets(str(ROOT / "presets" / "sandbox.yaml"))
    return [Preset.model_validate(one) for one in raw]


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


# --- the preview ---


def test_the_preview_takes_15_lines_of_100_columns_at_most(sandbox: list[Preset]) -> None:
    everything = [*of_vendor("nvidia"), *of_vendor("amd")]
    for model in load_models():
        for presets in (sandbox, everything, everything[:3]):
            try:
                plan = planned(presets, model=model.id)
            except PlanError:
                continue
            lines = preview_lines(plan)
            assert len(lines) <= PREVIEW_LINES == 15, model.id
            assert max(map(len, lines)) <= COLUMNS == 100, model.id


def test_the_preview_marks_the_chosen_preset_and_shows_its_refused_neighbours(
    sandbox: list[Preset],
) -> None:
    text = "\n".join(preview_lines(planned(sandbox)))
    assert "\n> nvidia-l4-1 " in text
    assert f"why: the cheapest of {len(sandbox) - 2} that fit; 2 do not" in text
    assert "nvidia-t4-1             0.4     1 refused: float16 only" in text
    more = f"and {len(sandbox) - 6} more, 0 refused"
    assert f"{more}: make explain MODEL=mistralai/Mistral-7B-Instruct-v0.3" in text


def test_a_preset_that_is_named_says_which_would_have_been_the_cheapest() -> None:
    plan = planned([preset("l4"), preset("h200", price=9)], preset="h200-1")
    assert plan.placement.preset == "h200-1"
    assert "named by `preset`; 'l4-1' at 1 is the cheapest of 2 that fit; 0 do not" in "\n".join(
        preview_lines(plan)
    )


def test_the_whole_explanation_has_a_row_for_each_preset(sandbox: list[Preset]) -> None:
    plan = planned(sandbox, model="mixtral-8x22b-instruct")
    lines = explanation_lines(plan)
    assert max(map(len, lines)) <= COLUMNS
    for one in sandbox:
        assert sum(f" {one.name} " in line for line in lines[3:]) == 1, one.name


def test_the_parts_of_a_row_add_up_to_the_need(sandbox: list[Preset]) -> None:
    plan: Plan = planned(sandbox, model="mistral-small-3.2")
    for found in plan.verdicts:
        if found.sizing:
            part = found.sizing
            parts = part.weights_gib + part.cache_gib + part.activation_gib + part.overhead_gib
            assert parts == pytest.approx(part.required_gib)


# --- python -m planning explain ---


def test_explain_gives_at_least_the_promised_keys(capsys: pytest.CaptureFixture[str]) -> None:
    found = printed(capsys, "explain", "mistral-7b-instruct")
    assert found.keys() >= EXPLAIN_KEYS
    assert found["preset"] == "nvidia-l4-1"
    assert found["weightsGiB"] == pytest.approx(13.50, abs=0.01)
    assert found["kvBytesPerToken"] == 131072
    assert found["tensorParallel"] == 1
    assert found["image"] == "vllm/vllm-openai:v0.31.0"
    assert found["args"][0] == found["model"] == "mistralai/Mistral-7B-Instruct-v0.3"  # type: ignore[index]
    assert found["env"]["HF_HOME"] == "/models"  # type: ignore[index]
    refused = {one["preset"]: one["reason"] for one in found["refused"]}  # type: ignore[union-attr, index]
    assert refused.keys() == {"nvidia-t4-1", "nvidia-v100-16-1"}
    assert "lacks 0.6 GiB per GPU" in refused["nvidia-v100-16-1"]


def test_the_arguments_hold_what_the_plan_says(capsys: pytest.CaptureFixture[str]) -> None:
    found = printed(capsys, "explain", "mistral-small-3.2")
    args: list[str] = found["args"]  # type: ignore[assignment]
    for flag, value in (
        ("--revision", found["revision"]),
        ("--max-model-len", found["maxModelLen"]),
        ("--tensor-parallel-size", found["tensorParallel"]),
        ("--max-num-seqs", found["maxNumSeqs"]),
        ("--max-num-batched-tokens", 2048),
    ):
        assert args[args.index(flag) + 1] == str(value)


def test_explain_reads_the_keys_of_a_stack(capsys: pytest.CaptureFixture[str]) -> None:
    found = printed(capsys, "explain", "mistral-7b-instruct", "--stack", "prod")
    assert found["preset"] == "nvidia-l40s-1"
    assert [one["preset"] for one in found["presets"]] == [  # type: ignore[union-attr, index]
        "nvidia-l4-1",
        "nvidia-l40s-1",
        "amd-mi300x-1",
    ]


def test_explain_says_what_the_preview_of_the_stack_says(
    capsys: pytest.CaptureFixture[str], sandbox: list[Preset]
) -> None:
    assert main(["explain", "mistral-7b-instruct", "--stack", "dev"]) == 0
    text = capsys.readouterr().out
    for line in preview_lines(planned(sandbox, preset="nvidia-l4-1"))[:10]:
        assert line.rstrip("…") in text


def test_explain_prints_every_preset_and_one_mistake_when_nothing_fits(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ["explain", "mistral-large-3", "--presets", "presets/example.yaml"]
    assert main(asked) == 1
    both = capsys.readouterr()
    assert "amd-mi300x-1 " in both.out
    assert both.err.startswith("error: presets: mistralai/Mistral-Large-3")
    assert "add a preset with 4 x mi300x" in both.err
    assert main([*asked, "--json"]) == 1
    body = json.loads(capsys.readouterr().out)
    assert body["preset"] is None
    assert [one["preset"] for one in body["refused"]] == [
        "nvidia-l4-1",
        "nvidia-l40s-1",
        "amd-mi300x-1",
    ]
    assert len(body["mistakes"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain", "mistral-8b-instruct"], "error: model: 'mistral-8b-instruct' is not in"),
        (["explain", "codestral-22b", "--stack", "none"], "'Pulumi.none.yaml' cannot be read"),
        (["explain", "codestral-22b", "--presets", "none.yaml"], "the file 'none.yaml' cannot"),
        (["memory", "codestral-22b", "--gpu", "l44", "--tensor-parallel", "1"], "did you mean l4"),
        (
            ["memory", "codestral-22b", "--gpu", "l4", "--tensor-parallel", "3"],
            "3 does not shard mistralai/Codestral-22B-v0.1",
        ),
        (
            [
                "memory",
                "codestral-22b",
                "--gpu",
                "t4",
                "--tensor-parallel",
                "4",
                "--dtype=bfloat16",
            ],
            "bfloat16 does not run on T4",
        ),
        (
            ["memory", "codestral-22b", "--gpu", "l4", "--tensor-parallel", "4", "--vllm=0.8.5"],
            "sizes are known from 0.10 on",
        ),
    ],
)
def test_a_wrong_argument_is_one_line_without_a_traceback(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    both = capsys.readouterr()
    assert both.out == ""
    assert message in both.err
    assert both.err.count("\n") == 1


# --- python -m planning memory ---


def test_memory_gives_at_least_the_promised_keys(capsys: pytest.CaptureFixture[str]) -> None:
    found = printed(capsys, "memory", "mistral-7b-instruct", "--gpu", "l4", "--tensor-parallel=1")
    assert found.keys() >= MEMORY_KEYS
    assert found["fits"] is True
    assert found["weightsGiB"] == pytest.approx(13.5, rel=0.02)


def test_every_option_of_memory_changes_what_it_names(capsys: pytest.CaptureFixture[str]) -> None:
    base = ["memory", "mistral-small-3.2", "--gpu", "h100-80", "--tensor-parallel", "1"]
    plain = printed(capsys, *base)
    for options, key in (
        (["--max-model-len", "65536"], "maxModelLen"),
        (["--max-num-seqs", "512"], "activationGiB"),
        (["--max-num-batched-tokens", "16384"], "activationGiB"),
        (["--utilization", "0.8"], "usableGiB"),
        (["--kv-cache-dtype", "fp8"], "kvCacheTokens"),
        (["--quantization", "fp8"], "weightsGiB"),
        (["--vllm", "0.19.1"], "vllm"),
    ):
        assert printed(capsys, *base, *options)[key] != plain[key], options
    assert printed(capsys, *base, "--dtype", "half")["weightsGiB"] == plain["weightsGiB"]


def test_memory_reads_a_folder_of_headers(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name, file in mistral_7b_files().items():
        (tmp_path / name).write_bytes(file.head)
    local = printed(capsys, "memory", str(tmp_path), "--gpu", "l4", "--tensor-parallel", "1")
    known = printed(
        capsys, "memory", "mistral-7b-instruct", "--gpu", "l4", "--tensor-parallel", "1"
    )
    assert local["weightsGiB"] == pytest.approx(known["weightsGiB"], rel=0.001)
    assert local["kvCacheTokens"] == pytest.approx(known["kvCacheTokens"], rel=0.01)


def test_a_folder_without_weights_is_a_mistake(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["memory", str(tmp_path), "--gpu", "l4", "--tensor-parallel", "1"]) == 1
    assert "it holds no *.safetensors" in capsys.readouterr().err


def test_the_commands_run_as_a_module_and_survive_a_closed_pipe() -> None:
    command = f"{sys.executable} -m planning explain mistral-7b-instruct | head -1"
    shell = ["bash", "-o", "pipefail", "-c", command]
    done = subprocess.run(shell, check=True, capture_output=True, text=True, cwd=ROOT)
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith("mistralai/Mistral-7B-Instruct-v0.3 at ")


def test_planning_a_catalogued_model_does_not_import_the_client_of_the_hub() -> None:
    script = (
        "import sys; from planning.__main__ import main; main(['explain', 'mistral-7b-instruct']);"
        "sys.exit('huggingface_hub' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, cwd=ROOT)
