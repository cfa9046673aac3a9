"""What the choice says of each preset, and of itself, in the words and figures of the preview."""

from __future__ import annotations

from collections.abc import Iterator

from catalog.records import Model
from planning.fit import Candidate, Sized
from planning.gpu_compatibility import converts, label_warnings
from planning.memory import EngineSettings
from planning.overrides import Overrides, image_release
from planning.plan import Sizing, Verdict
from planning.presets import Choice
from settings.models import StackSettings


def verdict(candidate: Candidate, *, chosen: bool) -> Verdict:
    """Say what became of one preset."""
    return Verdict(
        preset=candidate.preset.name,
        product=candidate.gpu.key if candidate.gpu else candidate.preset.product,
        gpus=candidate.preset.gpus,
        hourly_price=candidate.price_per_hour,
        chosen=chosen,
        sizing=_sizing(candidate.sized) if candidate.sized else None,
        refusal=candidate.refusal,
    )


def verdicts(choice: Choice) -> tuple[Verdict, ...]:
    """Say what became of every preset, in the order of the choice."""
    return tuple(verdict(found, chosen=found is choice.chosen) for found in choice.candidates)


def _sizing(sized: Sized) -> Sizing:
    memory = sized.memory
    counted = memory.weights_gib + memory.request_gib + memory.activation_gib
    return Sizing(
        nodes=sized.nodes,
        tensor_parallel=sized.tensor_parallel,
        context_length=sized.engine.max_model_len,
        max_num_seqs=sized.engine.max_num_seqs,
        weights_gib=memory.weights_gib,
        cache_gib=memory.request_gib,
        activation_gib=memory.activation_gib,
        overhead_gib=memory.required_gib - counted,
        required_gib=memory.required_gib,
        usable_gib=memory.usable_gib,
        concurrent_requests=memory.max_concurrency,
        kv_bytes_per_token=memory.kv_bytes_per_token,
        fits=memory.fits,
    )


def notes(model: Model, choice: Choice, sized: Sized, settings: StackSettings) -> tuple[str, ...]:
    """Say why this preset, and where the engine's values come from."""
    fitting = [found for found in choice.candidates if found.fits]
    refused = len(choice.candidates) - len(fitting)
    counts = f"of {len(fitting)} that fit; {refused} do not"
    if choice.forced:
        why = "forced, though it does not fit"
    elif settings.preset != "auto":
        cheapest = fitting[0]
        own = cheapest.preset.name == choice.chosen.preset.name
        also = "it is" if own else f"'{cheapest.preset.name}' at {cheapest.price_per_hour:g} is"
        why = f"named by `preset`; {also} the cheapest {counts}"
    else:
        why = f"the cheapest {counts}"
    if sized.nodes > 1:
        why = f"no single node fits, so {sized.nodes} of one preset (multiNode.maxNodes); {why}"
    return (f"why: {why}", f"engine: {_engine(model, sized, settings)}")


def _engine(model: Model, sized: Sized, settings: StackSettings) -> str:
    engine, advised = sized.engine, model.recommended
    context = _source(settings.max_model_len, advised.context, engine.max_model_len)
    if context != "asked":
        whole = engine.max_model_len == advised.context
        context = "the model's" if whole else f"what fits of {advised.context}"
    default = EngineSettings(max_model_len=1, vllm_version=engine.vllm_version)
    capped = engine.max_num_seqs < min(
        default.max_num_seqs, settings.max_num_batched_tokens or default.max_num_batched_tokens
    )
    sequences = _source(settings.max_num_seqs, advised.max_num_seqs, engine.max_num_seqs)
    if capped and settings.max_num_seqs is None:
        sequences = "what fits"
    tokens = _source(
        settings.max_num_batched_tokens,
        advised.max_num_batched_tokens,
        engine.max_num_batched_tokens,
    )
    same = f" ({sequences})" if sequences != tokens else ""
    return (
        f"context {engine.max_model_len} ({context}); {engine.max_num_seqs} sequences{same}, "
        f"{engine.max_num_batched_tokens} tokens a batch ({tokens})"
    )


def _source(asked: int | None, advised: int | None, value: int) -> str:
    if asked is not None:
        return "asked"
    return "makers'" if advised == value else "planned"


def warnings(
    model: Model, choice: Choice, settings: StackSettings, overrides: Overrides
) -> Iterator[str]:
    """Warn of what the choice accepts, but somebody should know."""
    gpu, sized = choice.chosen.settled()
    preset = choice.chosen.preset
    if choice.forced:
        yield f"force: '{preset.name}' {choice.forced}; vLLM will probably not start"
    if gpu.warning:
        yield f"preset: {gpu.key}: {gpu.warning}"
    if model.dtype not in gpu.dtypes and (overrides.dtype or converts(gpu)):
        yield (
            f"dtype: {model.id} was published in {model.dtype} and runs as {gpu.dtypes[0]} on "
            f"{gpu.name}; large values may overflow"
        )
    if sized.tensor_parallel < preset.gpus:
        yield (
            f"preset: '{preset.name}' has {preset.gpus} GPUs, of which the model uses "
            f"{sized.tensor_parallel}; a preset with fewer GPUs would do"
        )
    if overrides.image and image_release(overrides.image) is None:
        yield (
            f"image: the tag of '{overrides.image}' names no vLLM release; sizes and flags are "
            f"those of {gpu.image.vllm_version}"
        )
    yield from label_warnings(gpu, preset, settings.node_selector)
    yield from _capacity(choice, settings)


def _capacity(choice: Choice, settings: StackSettings) -> Iterator[str]:
    scaling, preset = settings.autoscaling, choice.chosen.preset
    most = settings.most_replicas * choice.chosen.nodes
    if preset.capacity is not None and most > preset.capacity:
        yield (
            f"{'autoscaling.maxReplicas' if scaling.enabled else 'replicas'}: {most} pods of "
            f"'{preset.name}' are more than its capacity of {preset.capacity}; "
            "the rest would stay Pending"
        )
