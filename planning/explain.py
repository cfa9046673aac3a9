"""The plan in words, as the preview prints it."""

from __future__ import annotations

from planning.plan import Plan, StartBudget


def preview_lines(plan: Plan) -> list[str]:
    """Say what will be served where, and which decisions were taken."""
    placement, model = plan.placement, plan.model
    where = plan.cluster.context or f"manifests in {plan.cluster.render_to}"
    return [
        f"{model.id} at {model.revision[:12]} on {placement.preset}: "
        f"{placement.gpus} x {placement.product} ({placement.hourly_price:g} per hour)",
        *(f"  {note}" for note in plan.notes),
        f"  start budget {plan.start.seconds} s ({_parts(plan.start)}); rollout {_rollout(plan)}",
        f"  cluster: {where}, namespace {plan.names.namespace}",
    ]


def _parts(start: StartBudget) -> str:
    if start.override is not None:
        return "rollout.startSeconds"
    return (
        f"image {start.image_seconds}, download {start.download_seconds}, "
        f"load {start.load_seconds}, warm-up {start.warm_up_seconds}"
    )


def _rollout(plan: Plan) -> str:
    if plan.server.strategy == "Recreate":
        return "Recreate: a second pod would wait for the GPU of the first"
    return "one pod at a time without surge, since a new pod would wait for a GPU"
