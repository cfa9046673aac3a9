"""Published start-up lines of vLLM, and the models they name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import yaml

from catalog.loader import find_gpu, load_models, read_models
from catalog.reading import record
from planning.memory import EngineSettings

if TYPE_CHECKING:
    from catalog.records import Gpu, Model

LOGS_FILE = Path(__file__).with_name("vllm_logs.yaml")
MODELS_FILE = Path(__file__).with_name("sizing_models.yaml")
# A line that names no version is compared by arithmetic that no version changes.
_ANY_VERSION = "0.20.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One start-up line: what was asked, and what vLLM reported, in GiB per GPU and in tokens."""

    id: str
    model: str
    gpu: str | None
    tensor_parallel: int
    vllm: str | None
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    utilization: float | None = None
    enforce_eager: bool = False
    visible_gib: float | None = None
    marketed_gb: int | None = None
    weights_gib: float | None = None
    kv_cache_gib: float | None = None
    kv_cache_tokens: int | None = None
    request_gib: float | None = None
    source: str

    @property
    def budgeted(self) -> bool:
        """Whether the line says enough to predict what is left for the cache."""
        return None not in (
            self.vllm,
            self.visible_gib,
            self.utilization,
            self.max_num_seqs,
            self.max_num_batched_tokens,
            self.kv_cache_gib,
        )

    @property
    def settings(self) -> EngineSettings:
        """The engine settings of the line, with the planner's own where it names none."""
        settings = EngineSettings(
            max_model_len=self.max_model_len or 8192,
            vllm_version=self.vllm or _ANY_VERSION,
            gpu_memory_utilization=self.utilization or 0.92,
            enforce_eager=self.enforce_eager,
        )
        return replace(
            settings,
            max_num_seqs=self.max_num_seqs or settings.max_num_seqs,
            max_num_batched_tokens=self.max_num_batched_tokens or settings.max_num_batched_tokens,
        )

    @property
    def device(self) -> Gpu:
        """The GPU of the line, with the memory that it reported."""
        gpu = find_gpu(self.gpu or "h100-80")
        return replace(gpu, visible_gib=self.visible_gib or gpu.visible_gib)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCompared:
    """A line that cannot be predicted, and why."""

    id: str
    model: str
    reason: str


def read_logs(path: Path = LOGS_FILE) -> tuple[tuple[Log, ...], tuple[NotCompared, ...]]:
    """Read the lines to compare and the lines left out.

    Raises:
        CatalogError: a record has an unknown key or a value of another type.
    """
    content = cast("dict[str, list[dict[str, object]]]", yaml.safe_load(path.read_text()))
    logs = tuple(record(Log, item, f"{path.name}: {item['id']}") for item in content["logs"])
    left_out = tuple(
        record(NotCompared, item, f"{path.name}: {item['id']}") for item in content["not_compared"]
    )
    return logs, left_out


def model_of(log: Log) -> Model:
    """Find the model that a line names, in the catalogue or beside this file."""
    return _models()[log.model]


@cache
def _models() -> dict[str, Model]:
    return {model.id: model for model in (*load_models(), *read_models(MODELS_FILE))}
