"""From settings to the plan of a stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from catalog.loader import load_gpus
from catalog.records import Model
from planning.auth import auth_middlewares, auth_warnings, plan_auth
from planning.cache import plan_cache
from planning.download import has_download
from planning.errors import PlanError
from planning.exposure import Exposure, ingress_warnings, plan_exposure
from planning.facts import catalogue_model, is_catalogued
from planning.gate import gate_notes
from planning.names import Names
from planning.network import monitoring_warnings, network_warnings, plan_network
from planning.overrides import overrides_of
from planning.placement import plan_placement
from planning.plan import (
    Cache,
    Cluster,
    Placement,
    Plan,
    PlannedModel,
    Rollout,
    StartBudget,
)
from planning.pod_security import security_warning
from planning.presets import Choice, choose
from planning.rollout import plan_rollout, start_budget
from planning.scaling import Scaling, plan_scaling
from planning.scaling_checks import asked_warnings, scaling_warnings, within_capacity
from planning.scaling_rate import requests_per_second
from planning.serving import Served, serve
from planning.token import plan_token
from planning.units import GIB
from planning.verdicts import notes, verdict, verdicts, warnings
from settings.mistakes import Mistake
from settings.models import StackSettings

__all__ = ["PlanError", "make_plan"]

_DEVELOPMENT = "dev"
_BRANCH = "main"


def make_plan(settings: StackSettings, *, stack: str, model: Model | None = None) -> Plan:
    """Derive everything that components need; the same input gives the same plan.

    Args:
        settings: the checked stack config.
        stack: the stack's name, for the host template and what only development may do.
        model: its facts; without them the catalogue's are taken.

    Raises:
        PlanError: the settings cannot be served; names the mistakes of all parts.
    """
    facts = model or catalogue_model(settings.model)
    names = Names(app=settings.name, namespace=settings.namespace.name, stack=stack)
    try:
        return _plan(facts, names, settings)
    except PlanError as error:
        others = _mistakes(facts, names, settings)
        raise PlanError(*dict.fromkeys((*error.mistakes, *others))) from None


def _mistakes(model: Model, names: Names, settings: StackSettings) -> Iterator[Mistake]:
    """Collect what is wrong with every part, each planned with as few of the others as will do."""
    parts: tuple[Callable[[], object], ...] = (
        lambda: _pinned(model, settings, names.stack),
        lambda: _choice(model, settings),
        lambda: serve(model, _BRANCH, _chosen(model, settings).chosen, settings),
        lambda: plan_cache(model, names, settings),
        lambda: plan_auth(names, settings),
        lambda: plan_exposure(names, settings, ()),
    )
    for part in parts:
        try:
            part()
        except PlanError as error:
            yield from error.mistakes


def _plan(model: Model, names: Names, settings: StackSettings) -> Plan:
    model, revision = _pinned(model, settings, names.stack)
    choice, placement, settings = _choice(model, settings)
    cache, auth = plan_cache(model, names, settings), plan_auth(names, settings)
    served, start = serve(model, revision, choice.chosen, settings), _start(model, cache, settings)
    exposure = plan_exposure(names, settings, auth_middlewares(names, auth))
    scaling = _rated(_scaling(names, exposure, start, placement, settings), choice)
    return Plan(
        names=names,
        create_namespace=settings.namespace.create,
        extra_labels=tuple(sorted(settings.labels.items())),
        model=_planned_model(model, revision, choice, settings),
        placement=placement,
        server=served.server,
        start=start,
        drain=served.drain,
        rollout=_rollout(served, placement, cache, start),
        cache=cache,
        request_seconds=settings.request_seconds,
        ingress=exposure,
        network=plan_network(names, settings, nodes=placement.nodes),
        scaling=scaling,
        auth=auth,
        token=plan_token(names, settings),
        cluster=_cluster(settings),
        verdicts=verdicts(choice),
        notes=_notes(model, choice, settings),
        warnings=_warnings(model, revision, choice, served, settings) + _targets(scaling),
    )


def _choice(model: Model, settings: StackSettings) -> tuple[Choice, Placement, StackSettings]:
    """Choose a preset, and bound the settings by what it holds."""
    choice = _chosen(model, settings)
    placement = plan_placement(choice.chosen, settings)
    return choice, placement, within_capacity(settings, placement.capacity)


def _chosen(model: Model, settings: StackSettings) -> Choice:
    return choose(
        model,
        settings.presets,
        wanted=settings.preset,
        gpus={gpu.key: gpu for gpu in load_gpus()},
        overrides=overrides_of(settings),
    )


def _scaling(
    names: Names,
    exposure: Exposure | None,
    start: StartBudget,
    placement: Placement,
    settings: StackSettings,
) -> Scaling | None:
    return plan_scaling(
        names,
        settings,
        host=exposure.host if exposure else None,
        start_seconds=start.seconds,
        capacity=placement.capacity,
    )


def _start(model: Model, cache: Cache, settings: StackSettings) -> StartBudget:
    return start_budget(
        model.download_bytes,
        override=settings.rollout.start_seconds,
        downloads=not has_download(cache.storage),
        node_seconds=settings.rollout.node_seconds,
    )


def _rated(scaling: Scaling | None, choice: Choice) -> Scaling | None:
    """Add the estimate of what one replica serves, if the preset was sized."""
    gpu, _ = choice.chosen.settled()
    sizing = verdict(choice.chosen, chosen=True).sizing
    if scaling is None or sizing is None:
        return scaling
    rate = requests_per_second(sizing, memory_bandwidth=gpu.memory_bandwidth)
    return replace(scaling, replica_rate=rate)


def _targets(scaling: Scaling | None) -> tuple[str, ...]:
    return tuple(scaling_warnings(scaling))


def _rollout(served: Served, placement: Placement, cache: Cache, start: StartBudget) -> Rollout:
    return plan_rollout(
        served.server.max_replicas,
        placement=placement,
        shared_cache=cache.is_shared,
        start=start,
        drain=served.drain,
    )


def _planned_model(
    model: Model, revision: str, choice: Choice, settings: StackSettings
) -> PlannedModel:
    _, sized = choice.chosen.settled()
    return PlannedModel(
        id=model.id,
        revision=revision,
        served_name=settings.served_model_name or model.id,
        context_length=sized.engine.max_model_len,
        chat=model.task == "chat",
        embeds=model.task == "embedding",
        weight_format=model.weight_format,
        weights_gib=model.weights_bytes / GIB,
    )


def _cluster(settings: StackSettings) -> Cluster:
    return Cluster(
        context=settings.kubernetes.context,
        cluster_id=settings.kubernetes.cluster_id or settings.kubernetes.context,
        render_to=settings.kubernetes.render_to,
    )


def _pinned(model: Model, settings: StackSettings, stack: str) -> tuple[Model, str]:
    known = settings.revision or model.revision
    pinned = settings.revision is not None or (known is not None and is_catalogued(model))
    if pinned or stack == _DEVELOPMENT:
        return model, known or _BRANCH
    today = f"set revision to {known}, which {_BRANCH} names today" if known else "set revision"
    raise PlanError(
        Mistake(
            key="revision",
            wrong=f"is missing, and the catalogue knows no commit of {model.id}",
            rule=f"only the stack '{_DEVELOPMENT}' serves a branch, since it changes under it",
            remedy=f"pin it with `make lock MODEL={model.id}`, or {today}",
        )
    )


def _warnings(
    model: Model, revision: str, choice: Choice, served: Served, settings: StackSettings
) -> tuple[str, ...]:
    return (
        *warnings(model, choice, settings, overrides_of(settings)),
        *served.warnings,
        *_revision_warnings(model, revision, settings),
        *ingress_warnings(settings.ingress),
        *asked_warnings(settings),
        *auth_warnings(settings),
        *network_warnings(settings),
        *monitoring_warnings(settings),
        *security_warning(settings.cache.kind, settings.namespace.name),
    )


def _revision_warnings(model: Model, revision: str, settings: StackSettings) -> Iterator[str]:
    if settings.revision is None and not is_catalogued(model):
        yield (
            f"revision: {revision[:12]} is what {_BRANCH} of {model.id} names today, and another "
            f"day may bring a rollout; pin it with `make lock MODEL={model.id}`, or set revision"
        )
    elif revision == _BRANCH:
        yield (
            f"revision: {model.id} is served at {_BRANCH}, which changes under the stack; pin it "
            f"with `make lock MODEL={model.id}`"
        )
    elif model.revision and revision != model.revision:
        yield (
            f"revision: the facts of {model.id} are those of {model.revision[:12]}, not of "
            f"{revision[:12]}; the sizes may differ"
        )


def _notes(model: Model, choice: Choice, settings: StackSettings) -> tuple[str, ...]:
    _, sized = choice.chosen.settled()
    return (
        *notes(model, choice, sized, settings),
        *_pin_notes(model),
        *gate_notes(settings, model),
    )


def _pin_notes(model: Model) -> Iterator[str]:
    if not is_catalogued(model):
        yield f"facts: from the Hub; pin them with `make lock MODEL={model.id}`"
