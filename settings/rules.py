"""Rules across keys of the stack config; each breach is a mistake with its reason and remedy."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from settings.auth import auth_mistakes
from settings.autoscaling_rules import autoscaling_mistakes
from settings.cache import cache_mistakes
from settings.ingress import ingress_mistakes
from settings.label_rules import label_mistakes
from settings.mistakes import Mistake, did_you_mean
from settings.models import StackSettings
from settings.network import network_mistakes
from settings.preset_rules import preset_mistakes
from settings.rendering import rendering_mistakes
from settings.toleration_rules import toleration_mistakes
from settings.variables import variable_mistakes

_Rule = Callable[[StackSettings], Iterator[Mistake]]


def check(
    settings: StackSettings, *, secrets: Collection[str], skip: Collection[str]
) -> list[Mistake]:
    """Find every broken rule.

    Args:
        settings: what was parsed.
        secrets: the secret keys that are set.
        skip: top-level keys that hold a mistake already, and stand at their defaults; rules that
            name them or depend on them stay silent.
    """
    found = [mistake for rule in _RULES for mistake in rule(settings)]
    found += _token(settings, secrets)
    found += [] if "presets" in skip else _wanted_preset(settings)
    found += [] if "network" in skip else _network(settings, skip)
    # A kind that could not be read is none here, and no secret would seem to belong to it.
    found += [] if "ingress" in skip else _auth(settings, secrets)
    found += rendering_mistakes(settings, frozenset(secrets))
    return [mistake for mistake in found if top_level(mistake.key) not in skip]


def top_level(key: str) -> str:
    """Give the top-level key of a place such as `presets[0].name`."""
    return key.partition(".")[0].partition("[")[0]


def _token(settings: StackSettings, secrets: Collection[str]) -> Iterator[Mistake]:
    sources = {
        "huggingFaceToken": "huggingFaceToken" in secrets,
        "huggingFaceTokenSecret": settings.hugging_face_token_secret,
        "huggingFaceTokenExternal": settings.hugging_face_token_external,
    }
    first, *others = [key for key, given in sources.items() if given] or [""]
    if others:
        yield Mistake(
            key=others[-1],
            wrong=f"is set beside {' and '.join([first, *others[:-1]])}",
            rule="the token comes from one place",
            remedy="keep one of them",
        )


def _auth(settings: StackSettings, secrets: Collection[str]) -> Iterator[Mistake]:
    ingress = settings.ingress
    yield from auth_mistakes(
        ingress.auth, enabled=ingress.enabled, controller=ingress.answered_by, secrets=secrets
    )


def _cluster(settings: StackSettings) -> Iterator[Mistake]:
    kubernetes = settings.kubernetes
    if kubernetes.render_to and kubernetes.context:
        yield Mistake(
            key="kubernetes.renderTo",
            wrong=f"{kubernetes.render_to!r} is set beside kubernetes.context",
            rule="a stack either talks to a cluster or renders manifests",
            remedy="remove one of the two",
        )
    if not kubernetes.render_to and not kubernetes.context:
        yield Mistake(
            key="kubernetes.context",
            wrong="is missing",
            rule="a stack names its cluster, since the current context can silently be another",
            remedy="set it to a context of your kubeconfig ('kubectl config get-contexts')",
        )


def _presets(settings: StackSettings) -> Iterator[Mistake]:
    names = [preset.name for preset in settings.presets]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Mistake(
            key="presets",
            wrong=f"'{name}' is there {names.count(name)} times",
            rule="a preset's name is unique",
            remedy="rename one",
        )
    for index, preset in enumerate(settings.presets):
        if preset.gpus and not (preset.vendor and preset.product):
            yield Mistake(
                key=f"presets[{index}]",
                wrong=f"'{preset.name}' has {preset.gpus} GPUs of no kind",
                rule="a preset with GPUs names their vendor and product",
                remedy="add vendor and product (keys of catalog/gpus.yaml)",
            )
        yield from preset_mistakes(preset, f"presets[{index}]")


def _wanted_preset(settings: StackSettings) -> Iterator[Mistake]:
    names = [preset.name for preset in settings.presets]
    if not names and settings.preset == "auto":
        yield Mistake(
            key="presets",
            wrong="is empty",
            rule="a model is served by one of the cluster's GPU flavours",
            remedy="list at least one, as presets/example.yaml does",
        )
    elif settings.preset != "auto" and settings.preset not in names:
        near = did_you_mean(settings.preset, names)
        otherwise = "name one of them, or auto" if names else "list it in presets"
        yield Mistake(
            key="preset",
            wrong=f"'{settings.preset}' is unknown",
            rule=f"the presets of this stack are {', '.join(sorted(names)) or 'none'}",
            remedy=f"did you mean '{near}'?" if near else otherwise,
        )


def _pull_secrets(settings: StackSettings) -> Iterator[Mistake]:
    names = settings.image_pull_secrets
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Mistake(
                key=f"imagePullSecrets[{index}]",
                wrong=f"'{name}' is there {names.count(name)} times",
                rule="the API server takes each name once",
                remedy="remove it",
            )


def _batch(settings: StackSettings) -> Iterator[Mistake]:
    sequences, tokens = settings.max_num_seqs, settings.max_num_batched_tokens
    if sequences and tokens and tokens < sequences:
        yield Mistake(
            key="maxNumBatchedTokens",
            wrong=f"{tokens} is below maxNumSeqs ({sequences})",
            rule="a batch holds at least one token of each sequence",
            remedy="raise maxNumBatchedTokens or lower maxNumSeqs",
        )


def _variables(settings: StackSettings) -> Iterator[Mistake]:
    yield from variable_mistakes(settings.extra_env, has_policies=settings.network.enabled)


def _cache(settings: StackSettings) -> Iterator[Mistake]:
    yield from cache_mistakes(settings.cache)
    if not may_lower_maximum(settings):
        yield from access_mode_mistakes(settings)


def may_lower_maximum(settings: StackSettings) -> bool:
    """Whether the plan may lower the default maximum to what the chosen preset holds."""
    scaling = settings.autoscaling
    if not scaling.enabled or "max_replicas" in scaling.model_fields_set:
        return False
    nodes = settings.multi_node.max_nodes
    return any(
        preset.capacity is not None and preset.capacity // nodes < scaling.max_replicas
        for preset in settings.presets
        if settings.preset in ("auto", preset.name)
    )


def access_mode_mistakes(settings: StackSettings) -> Iterator[Mistake]:
    """Refuse more replicas than can mount the claim, once their number is settled."""
    most = settings.most_replicas
    source = "autoscaling.maxReplicas" if settings.autoscaling.enabled else "replicas"
    if settings.cache.kind == "pvc" and most > 1 and settings.cache.access_mode == "ReadWriteOnce":
        yield Mistake(
            key="cache.accessMode",
            wrong=f"ReadWriteOnce cannot serve {most} replicas ({source})",
            rule="such a volume attaches to one node, and the next replica would wait forever",
            remedy="set cache.accessMode to ReadWriteMany (with a class that has it), "
            f"{source} to 1, or cache.enabled to false",
        )


def _exposure(settings: StackSettings) -> Iterator[Mistake]:
    yield from ingress_mistakes(settings.ingress)
    yield from autoscaling_mistakes(settings.autoscaling)


def _network(settings: StackSettings, skip: Collection[str]) -> Iterator[Mistake]:
    called = settings.ingress.enabled and not settings.autoscaling.enabled
    is_known = "ingress" not in skip and "autoscaling" not in skip
    yield from network_mistakes(
        settings.network, settings.extra_env, called_by_controller=called and is_known
    )


_RULES: tuple[_Rule, ...] = (
    _cluster,
    _presets,
    _pull_secrets,
    _batch,
    _variables,
    _cache,
    _exposure,
    label_mistakes,
    toleration_mistakes,
)
