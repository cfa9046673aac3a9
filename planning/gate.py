"""Whether the model's files open to the stack's token, tried before anything is created."""

from __future__ import annotations

import os
from collections.abc import Iterator

from catalog.records import Model
from planning.errors import PlanError
from planning.facts import is_catalogued
from planning.hub_errors import (
    GatedWithoutAccessError,
    GatedWithoutTokenError,
    HubDownError,
    HubError,
    HubOfflineError,
    InvalidTokenError,
    PrivateModelError,
    RevisionNotFoundError,
    UnexpectedAnswerError,
)
from planning.hub_retry import Patience
from settings.mistakes import Mistake
from settings.models import StackSettings
from settings.variables import hub_endpoint

PATIENCE = Patience(answer=3.0, pauses=(), total=5.0)
"""One attempt: the download Job tries again, a preview should not wait."""

_RULE = "a pod reads the model with the stack's token alone, or with none"
_OFFLINE = "HF_HUB_OFFLINE"
_TRUE = frozenset({"1", "ON", "YES", "TRUE"})
"""What huggingface_hub 2.4.0 takes for set (`constants.py`, ENV_VARS_TRUE_VALUES)."""

_KEYS: tuple[tuple[type[HubError], str], ...] = (
    (InvalidTokenError, "huggingFaceToken"),
    (GatedWithoutTokenError, "huggingFaceToken"),
    (GatedWithoutAccessError, "huggingFaceToken"),
    (PrivateModelError, "huggingFaceToken"),
    (RevisionNotFoundError, "revision"),
)


def check_gate(
    settings: StackSettings, model: Model, *, token: str | None, patience: Patience = PATIENCE
) -> tuple[str, ...]:
    """Try the access that the stack's pods will have; a Hub that does not answer is a warning.

    A model that the catalogue knows to be open asks nothing, nor does one that was just looked up
    with this token. HF_TOKEN and the token of `hf auth login` do not count: no pod has them.

    Raises:
        PlanError: the Hub refuses the files to that token.
    """
    token = (token or "").strip() or None
    if not settings.check_access or _is_proven(model, token) or _is_unknown(settings):
        return ()
    if os.environ.get(_OFFLINE, "").upper() in _TRUE:
        return (_untried(model, f"{_OFFLINE} is set"),)
    # The client of the Hub takes longer to import than a plan to make.
    from planning.hub import check_access  # noqa: PLC0415

    try:
        check_access(
            model.id,
            settings.revision or model.revision or "main",
            token or False,
            hub_endpoint(settings.extra_env),
            patience,
        )
    except HubError as error:
        if _is_no_answer(error, token):
            return (_untried(model, error.reason or "the Hub refuses further requests for now"),)
        raise PlanError(_mistake(error)) from None
    return ()


def gate_notes(settings: StackSettings, model: Model) -> Iterator[str]:
    """Say that a token which only the cluster knows cannot be tried."""
    if settings.check_access and model.gated is not False and _is_unknown(settings):
        external = settings.hugging_face_token_external is not None
        source = "huggingFaceTokenExternal" if external else "huggingFaceTokenSecret"
        yield f"gate: not tried, since only the cluster knows the token of {source}"


def _is_proven(model: Model, token: str | None) -> bool:
    return model.gated is False if is_catalogued(model) else token is not None


def _is_unknown(settings: StackSettings) -> bool:
    return bool(settings.hugging_face_token_secret or settings.hugging_face_token_external)


def _is_no_answer(error: HubError, token: str | None) -> bool:
    # A proxy may refuse a request that carries no token; that says nothing of the model.
    anonymous_refusal = isinstance(error, InvalidTokenError) and token is None
    silent = isinstance(error, HubOfflineError | HubDownError | UnexpectedAnswerError)
    return silent or anonymous_refusal


def _untried(model: Model, reason: str) -> str:
    return (
        f"checkAccess: the gate of {model.id} was not tried: {reason}; if it is shut to the "
        "stack's token, the download will fail"
    )


def _mistake(error: HubError) -> Mistake:
    key = next((key for kind, key in _KEYS if isinstance(error, kind)), "model")
    hint = "where the files are in the cache already, set checkAccess to false"
    remedy = f"{error.remedy_for_pods}; {hint}"
    return Mistake(key=key, wrong=error.wrong, rule=_RULE, remedy=remedy)
