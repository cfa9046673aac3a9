"""`python -m planning memory`: what a model takes on so many GPUs of one kind."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.loader import UnknownNameError, find_gpu
from catalog.records import DataType, Gpu, Model
from planning.checkpoint import UnsupportedModelError
from planning.checkpoint_folder import read_folder
from planning.checkpoint_model import model_of
from planning.errors import PlanError
from planning.facts import model_facts
from planning.memory import EngineSettings, MemoryPlan, memory
from planning.overrides import Overrides, engine_settings, image_release
from settings.mistakes import Mistake

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # pyright: ignore[reportPrivateUsage] - argparse names its type so

_DTYPES: dict[str, DataType | None] = {
    "auto": None,
    "bfloat16": "bfloat16",
    "float16": "float16",
    "half": "float16",
}


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("memory", help="say what a model takes on each GPU")
    parser.add_argument("model", metavar="MODEL", help="short name, repository or local folder")
    parser.add_argument("--gpu", metavar="KEY", required=True, help="key of catalog/gpus.yaml")
    parser.add_argument("--tensor-parallel", metavar="N", type=_positive, required=True)
    for flag in ("--max-model-len", "--max-num-seqs", "--max-num-batched-tokens"):
        parser.add_argument(flag, metavar="N", type=_positive, help="default: as planned")
    parser.add_argument("--utilization", metavar="X", type=_share, help="share of visible memory")
    parser.add_argument("--dtype", choices=_DTYPES, default="auto", help="of the activations")
    parser.add_argument(
        "--kv-cache-dtype", choices=("auto", "fp8", "fp8_e4m3", "fp8_e5m2"), default="auto"
    )
    parser.add_argument("--quantization", choices=("fp8",), help="converts 16-bit weights")
    parser.add_argument(
        "--vllm", metavar="VERSION", type=_release, help="default: that of the GPU's image"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(asked: argparse.Namespace) -> int:
    """Account for one GPU; 0 also where the model does not fit, since that is an answer.

    Raises:
        PlanError: the model, the GPU or a number of ranks is not one that can be accounted for.
    """
    model, gpu = _model(asked.model), _gpu(asked.gpu)
    _check_types(asked, gpu)
    engine = _engine(asked, model, gpu)
    plan = memory(model, gpu, asked.tensor_parallel, engine)
    figures = _figures(model, gpu, asked.tensor_parallel, engine, plan)
    if asked.json:
        print(json.dumps(figures, indent=2))
    else:
        print("\n".join(f"{name:<22} {value}" for name, value in figures.items()))
    return 0


def _engine(asked: argparse.Namespace, model: Model, gpu: Gpu) -> EngineSettings:
    overrides = Overrides(
        max_num_seqs=asked.max_num_seqs,
        max_num_batched_tokens=asked.max_num_batched_tokens,
        gpu_memory_utilization=asked.utilization,
        dtype=_DTYPES[asked.dtype],
        quantization=asked.quantization,
        kv_cache_dtype=asked.kv_cache_dtype,
        image=f"vllm:{asked.vllm}" if asked.vllm else None,
    )
    return engine_settings(model, gpu, overrides, asked.max_model_len or model.recommended.context)


def _figures(
    model: Model, gpu: Gpu, tensor_parallel: int, engine: EngineSettings, plan: MemoryPlan
) -> dict[str, object]:
    return {
        "model": model.id,
        "gpu": gpu.key,
        "vllm": engine.vllm_version,
        "tensorParallel": tensor_parallel,
        "maxModelLen": engine.max_model_len,
        "maxNumSeqs": engine.max_num_seqs,
        "maxNumBatchedTokens": engine.max_num_batched_tokens,
        "utilization": plan.gpu_memory_utilization,
        "visibleGiB": gpu.visible_gib,
        "usableGiB": round(plan.usable_gib, 3),
        "weightsGiB": round(plan.weights_gib, 3),
        "activationGiB": round(plan.activation_gib, 3),
        "cudaGraphGiB": round(plan.cuda_graph_gib, 3),
        "nonTorchGiB": round(plan.non_torch_gib, 3),
        "requestGiB": round(plan.request_gib, 3),
        "kvCacheGiB": round(plan.kv_cache_gib, 3),
        "kvCacheTokens": plan.kv_cache_tokens,
        "kvBytesPerTokenPerGpu": round(plan.kv_bytes_per_token),
        "maxConcurrency": round(plan.max_concurrency, 2),
        "fits": plan.fits,
        "maxModelLenThatFits": plan.max_model_len_that_fits,
    }


def _model(name: str) -> Model:
    folder = Path(name)
    if not folder.is_dir():
        return model_facts(name)
    try:
        return model_of(read_folder(folder))
    except UnsupportedModelError as error:
        raise PlanError(
            Mistake(
                key="MODEL",
                wrong=error.wrong,
                rule="only what vLLM loads can be accounted for",
                remedy=error.remedy,
            )
        ) from None


def _gpu(name: str) -> Gpu:
    try:
        return find_gpu(name)
    except UnknownNameError as error:
        near = " or ".join(error.near)
        raise PlanError(
            Mistake(
                key="--gpu",
                wrong=f"'{name}' is unknown",
                rule="it is a key of catalog/gpus.yaml or a product label of such a GPU",
                remedy=f"did you mean {near}?" if near else "see catalog/gpus.yaml",
            )
        ) from None


def _check_types(asked: argparse.Namespace, gpu: Gpu) -> None:
    dtype = _DTYPES[asked.dtype]
    if dtype and dtype not in gpu.dtypes:
        raise PlanError(
            Mistake(
                key="--dtype",
                wrong=f"{dtype} does not run on {gpu.name}",
                rule=f"it runs {' and '.join(gpu.dtypes)}",
                remedy="choose another, or none",
            )
        )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def _release(text: str) -> str:
    if image_release(f"vllm:{text}") is None:
        raise argparse.ArgumentTypeError(f"{text} is not a release such as 0.31.0")
    return text


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most 1")
    return share
