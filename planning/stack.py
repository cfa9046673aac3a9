"""From settings to the plan of a stack."""

from __future__ import annotations

from catalog.loader import UnknownNameError, find_model, load_gpus
from catalog.records import Model
from planning.engine_args import context_length, environment, serve_args
from planning.errors import PlanError
from planning.names import Names
from planning.plan import (
    Cache,
    Cluster,
    Ingress,
    Placement,
    Plan,
    PlannedModel,
    Server,
    Toleration,
)
from planning.presets import Fit, choose
from planning.rollout import cache_size, start_budget
from planning.scaling import plan_scaling
from settings.mistakes import Mistake
from settings.models import StackSettings

__all__ = ["PlanError", "make_plan"]

CACHE_PATH = "/models"
"""Where the cache is mounted; HF_HOME points here."""


def make_plan(settings: StackSettings, *, stack: str) -> Plan:
    """Derive everything that components need; the same input gives the same plan.

    Args:
        settings: the checked stack config.
        stack: the stack's name, for the host template.

    Raises:
        PlanError: the settings cannot be served.
    """
    model = _model(settings.model)
    revision = _revision(model, settings)
    gpus = {gpu.key: gpu for gpu in load_gpus()}
    fit = choose(model, settings.presets, wanted=settings.preset, gpus=gpus)
    names = Names(app=settings.name, namespace=settings.namespace.name)
    return Plan(
        names=names,
        create_namespace=settings.namespace.create,
        extra_labels=tuple(sorted(settings.labels.items())),
        model=PlannedModel(
            id=model.id,
            revision=revision,
            served_name=settings.served_model_name or model.id,
            context_length=context_length(model, settings),
            chat=model.task == "chat",
            weights_gib=model.weights_bytes / 2**30,
        ),
        placement=_placement(fit, settings),
        server=_server(model, revision, fit, settings),
        start=start_budget(model.weights_bytes, override=settings.rollout.start_seconds),
        cache=_cache(model, names, settings),
        ingress=_ingress(names, stack, settings),
        scaling=plan_scaling(settings.autoscaling),
        token_secret=_token_secret(settings),
        cluster=Cluster(
            context=settings.kubernetes.context,
            cluster_id=settings.kubernetes.cluster_id or settings.kubernetes.context,
            render_to=settings.kubernetes.render_to,
        ),
        notes=(
            f"weights {model.weights_bytes / 2**30:.1f} GiB: {fit.needed_gib:.1f} GiB per GPU "
            f"of {fit.usable_gib:.1f} GiB usable, tensor parallel {fit.tensor_parallel}",
        ),
        warnings=_warnings(fit, settings),
    )


def _model(name: str) -> Model:
    try:
        return find_model(name)
    except UnknownNameError as error:
        near = " or ".join(error.near)
        raise PlanError(
            Mistake(
                key="model",
                wrong=f"'{name}' is not in the catalogue",
                rule="a model is planned from its facts in catalog/models.yaml",
                remedy=f"did you mean {near}?" if near else "name one of its models",
            )
        ) from None


def _revision(model: Model, settings: StackSettings) -> str:
    revision = settings.revision or model.revision
    if revision is None:
        raise PlanError(
            Mistake(
                key="revision",
                wrong=f"is missing, and the catalogue knows no commit of {model.id}",
                rule="a stack serves one commit, since a branch changes under it",
                remedy="set revision to a commit sha of the model's repository",
            )
        )
    return revision


def _placement(fit: Fit, settings: StackSettings) -> Placement:
    preset = fit.preset
    return Placement(
        preset=preset.name,
        vendor=fit.gpu.vendor,
        product=fit.gpu.key,
        gpus=preset.gpus,
        gpu_resource=fit.gpu.resource_name,
        cpu=preset.cpu,
        memory=preset.memory,
        # NCCL exchanges between the ranks of one pod through shared memory.
        shared_memory="2Gi" if fit.tensor_parallel == 1 else "16Gi",
        node_selector=tuple(sorted((preset.pool.node_selector | settings.node_selector).items())),
        tolerations=tuple(
            Toleration(
                key=toleration.key,
                operator=toleration.operator,
                value=toleration.value,
                effect=toleration.effect,
                toleration_seconds=toleration.toleration_seconds,
            )
            for toleration in (*preset.pool.tolerations, *settings.tolerations)
        ),
        priority_class=settings.priority_class,
        hourly_price=preset.price_per_hour,
    )


def _server(model: Model, revision: str, fit: Fit, settings: StackSettings) -> Server:
    scaling = settings.autoscaling
    replicas = max(1, scaling.min_replicas) if scaling.enabled else settings.replicas
    most = scaling.max_replicas if scaling.enabled else settings.replicas
    return Server(
        image=settings.image or fit.gpu.image.reference,
        args=serve_args(model, revision, fit, settings),
        env=environment(CACHE_PATH, settings),
        replicas=replicas,
        strategy="RollingUpdate" if most > 1 else "Recreate",
        autoscaled=scaling.enabled,
    )


def _cache(model: Model, names: Names, settings: StackSettings) -> Cache:
    asked = settings.cache
    return Cache(
        claim=names.cache if asked.enabled else None,
        size=asked.size or cache_size(model.weights_bytes),
        storage_class=asked.storage_class,
        access_mode=asked.access_mode,
        retain=asked.retain and asked.enabled,
        path=CACHE_PATH,
    )


def _ingress(names: Names, stack: str, settings: StackSettings) -> Ingress | None:
    asked = settings.ingress
    if not asked.enabled or asked.host is None:
        return None
    host = asked.host
    for placeholder, value in (
        ("{app}", names.app),
        ("{namespace}", names.namespace),
        ("{stack}", stack),
    ):
        host = host.replace(placeholder, value)
    return Ingress(
        host=host.lower(),
        class_name=asked.class_name,
        tls_secret=asked.tls.secret_name if asked.tls else None,
        annotations=tuple(sorted(asked.annotations.items())),
        auth_type=asked.auth,
    )


def _token_secret(settings: StackSettings) -> tuple[str, str] | None:
    reference = settings.hugging_face_token_secret
    return (reference.name, reference.key) if reference else None


def _warnings(fit: Fit, settings: StackSettings) -> tuple[str, ...]:
    warnings: list[str] = []
    if fit.gpu.warning:
        warnings.append(f"preset: {fit.gpu.key}: {fit.gpu.warning}")
    scaling = settings.autoscaling
    most = scaling.max_replicas if scaling.enabled else settings.replicas
    if fit.preset.capacity is not None and most > fit.preset.capacity:
        warnings.append(
            f"{'autoscaling.maxReplicas' if scaling.enabled else 'replicas'}: {most} pods of "
            f"'{fit.preset.name}' are more than its capacity of {fit.preset.capacity}; "
            "the rest would stay Pending"
        )
    if settings.ingress.enabled and settings.ingress.auth == "none":
        warnings.append(
            "ingress.auth: none, so whoever reaches the host can use the model; "
            "set ingress.enabled to false to keep it inside the cluster"
        )
    return tuple(warnings)
