"""The plan in words, as the preview prints it, and as JSON for other programs."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from catalog.records import Model
from planning.download import plan_download
from planning.exposure import ingress_line
from planning.kv_cache import cache_layout
from planning.plan import Drain, Plan, Sizing, StartBudget, Verdict
from planning.scaling import Scaling
from planning.scaling_rate import written
from planning.table import COLUMNS, LEGEND, short_table, table
from planning.units import GIB

PREVIEW_LINES = 15
"""Lines of the preview at most, unless what is said around the table takes nearly all of them."""


def preview_lines(plan: Plan) -> list[str]:
    """Say what will be served where, which decisions were taken, and what was refused."""
    where = plan.cluster.context or f"manifests in {plan.cluster.render_to}"
    before = _wrapped(_headline(plan), *(f"  {note}" for note in plan.notes))
    after = _wrapped(
        f"  start budget {plan.start.seconds} s ({_parts(plan.start)}); {_drain(plan.drain)}",
        f"  rollout: {plan.rollout.strategy}, {plan.rollout.reason}",
        *_scaling(plan.scaling),
        f"  cluster: {where}, namespace {plan.names.namespace} "
        f"({plan.cache.pod_security.level}); cache: {plan.cache.storage}{_download(plan)}",
        f"  {ingress_line(plan.ingress)}",
    )
    most = PREVIEW_LINES - len(before) - len(after)
    more = f"make explain MODEL={plan.model.id}"
    return [*before, *short_table(plan.verdicts, most=most, more=more), *after]


def explanation_lines(plan: Plan) -> list[str]:
    """Say the same with every preset and every reason."""
    said = _wrapped(_headline(plan), *(f"  {note}" for note in plan.notes))
    return [*said, "", *table(plan.verdicts), "", *LEGEND]


def explanation(plan: Plan, model: Model) -> dict[str, object]:
    """Give the plan as JSON values: `weightsGiB` and `kvBytesPerToken` of the whole model.

    Every `...PerGpu` is of one GPU; GiB are 2**30 bytes, and lengths are in tokens.
    """
    chosen = next(found for found in plan.verdicts if found.chosen)
    sizing = chosen.sizing
    return {
        "model": plan.model.id,
        "revision": plan.model.revision,
        **model_figures(model, fp8_cache=_fp8_cache(plan)),
        "maxModelLen": plan.model.context_length,
        "maxNumSeqs": sizing.max_num_seqs if sizing else None,
        "tensorParallel": sizing.tensor_parallel if sizing else None,
        "preset": plan.placement.preset,
        "product": plan.placement.product,
        "nodes": plan.placement.nodes,
        "gpus": plan.placement.gpus,
        **_per_gpu(sizing),
        "hourlyPrice": plan.placement.hourly_price,
        "image": plan.server.image,
        "args": list(plan.server.args),
        "env": dict(plan.server.env),
        "secretEnv": {
            source.variable: {"name": source.secret_name, "key": source.entry}
            for source in plan.server.secret_env
        },
        "notes": list(plan.notes),
        "warnings": list(plan.warnings),
        **verdict_figures(plan.verdicts),
    }


def model_figures(model: Model, *, fp8_cache: bool = False) -> dict[str, object]:
    """Give what is the model's own, whatever the preset."""
    layout = cache_layout(
        model.architecture,
        tensor_parallel=1,
        element_bytes=1 if fp8_cache else 2,
        in_flight_tokens=0,
    )
    return {
        "weightsGiB": round(model.weights_bytes / GIB, 3),
        "kvBytesPerToken": round(layout.bytes_per_token),
    }


def verdict_figures(verdicts: Sequence[Verdict]) -> dict[str, object]:
    """Give every preset with its figures, and the refused ones with their reasons."""
    return {
        "presets": [
            {
                "preset": found.preset,
                "product": found.product,
                "gpus": found.gpus,
                "hourlyPrice": found.hourly_price,
                "fits": found.refusal is None,
                "chosen": found.chosen,
                "nodes": found.sizing.nodes if found.sizing else None,
                "tensorParallel": found.sizing.tensor_parallel if found.sizing else None,
                "maxModelLen": found.sizing.context_length if found.sizing else None,
                **_per_gpu(found.sizing),
            }
            for found in verdicts
        ],
        "refused": [
            {"preset": found.preset, "reason": found.refusal}
            for found in verdicts
            if found.refusal is not None
        ],
    }


def _per_gpu(sizing: Sizing | None) -> dict[str, object]:
    figures = {
        "requiredGiBPerGpu": sizing.required_gib if sizing else None,
        "usableGiBPerGpu": sizing.usable_gib if sizing else None,
        "weightsGiBPerGpu": sizing.weights_gib if sizing else None,
        "requestGiBPerGpu": sizing.cache_gib if sizing else None,
        "activationGiBPerGpu": sizing.activation_gib if sizing else None,
        "overheadGiBPerGpu": sizing.overhead_gib if sizing else None,
        "concurrentRequests": sizing.concurrent_requests if sizing else None,
    }
    return {key: None if value is None else round(value, 3) for key, value in figures.items()}


def _fp8_cache(plan: Plan) -> bool:
    args = plan.server.args
    return args[args.index("--kv-cache-dtype") + 1].startswith("fp8")


def _wrapped(*lines: str) -> list[str]:
    return [
        part
        for line in lines
        for part in textwrap.wrap(
            line, COLUMNS, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
        )
    ]


def _headline(plan: Plan) -> str:
    placement, model = plan.placement, plan.model
    nodes = f"{placement.nodes} nodes of " if placement.nodes > 1 else ""
    return (
        f"{model.id} at {model.revision[:12]} on {placement.preset}: "
        f"{nodes}{placement.gpus} x {placement.product} ({placement.hourly_price:g} per hour)"
    )


def _parts(start: StartBudget) -> str:
    node = f"node {start.node_seconds}, " if start.node_seconds else ""
    if start.override is not None:
        return f"{node}rollout.startSeconds"
    download = f"download {start.download_seconds}, " if start.download_seconds else ""
    return (
        f"{node}image {start.image_seconds}, {download}"
        f"load {start.load_seconds}, warm-up {start.warm_up_seconds}"
    )


def _scaling(scaling: Scaling | None) -> list[str]:
    if scaling is None:
        return []
    kind = "InterceptorRoute" if scaling.kind == "interceptorRoute" else "HTTPScaledObject"
    least = scaling.min_replicas if scaling.idle_replicas is None else scaling.idle_replicas
    further = "".join(f", {trigger.name}" for trigger in scaling.triggers)
    served = scaling.replica_rate
    rate = "" if served is None else f" (estimated best {written(served)})"
    return [
        f"  autoscaling: {least} to {scaling.max_replicas} replicas by {kind} "
        f"({'asked' if scaling.kind_is_asked else 'auto'}), {scaling.requests_per_second} "
        f"requests/s each{rate}{further}"
    ]


def _download(plan: Plan) -> str:
    download = plan_download(plan)
    if download is None:
        return ""
    return f", filled within {download.deadline_seconds} s"


def _drain(drain: Drain) -> str:
    if drain.shutdown_timeout is None:
        return "a stop aborts requests"
    return f"a stop drains for {drain.shutdown_timeout} s"
