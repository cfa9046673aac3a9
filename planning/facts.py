"""The model's facts: from the catalogue without a network, else from the Hugging Face Hub."""

from __future__ import annotations

from catalog.loader import UnknownNameError, find_model
from catalog.records import Model
from planning.checkpoint import UnsupportedModelError
from planning.checkpoint_model import model_of
from planning.errors import PlanError
from planning.hub_errors import HubError, InvalidTokenError, RevisionNotFoundError
from settings.mistakes import Mistake
from settings.models import StackSettings
from settings.variables import hub_endpoint

_RULE = "a model outside the catalogue is looked up on the Hugging Face Hub"


def stack_model(settings: StackSettings, *, token: str | None = None) -> Model:
    """Find the model of a stack, where its pods would: at the mirror, if one is configured.

    Args:
        settings: the checked stack config.
        token: for a look-up only; without one, HF_TOKEN or that of `hf auth login`.

    Raises:
        PlanError: no source has the model, or its architecture cannot be planned.
    """
    return model_facts(
        settings.model,
        revision=settings.revision,
        token=token,
        endpoint=hub_endpoint(settings.extra_env),
    )


def model_facts(
    name: str,
    *,
    revision: str | None = None,
    token: str | None = None,
    endpoint: str | None = None,
) -> Model:
    """Find a model by short name or repository id.

    Args:
        name: as the stack config gives it.
        revision: the commit to look up, for a model outside the catalogue; `main` without one.
        token: for the look-up only; without one, HF_TOKEN or that of `hf auth login`.
        endpoint: of the look-up; without one, HF_ENDPOINT or https://huggingface.co.

    Raises:
        PlanError: no source has the model, or its architecture cannot be planned.
    """
    try:
        return find_model(name)
    except UnknownNameError as error:
        near = error.near
    if "/" not in name:
        raise PlanError(_unknown_model(name, near))
    # A model of the catalogue must not pay for importing the client of the Hub.
    from planning.hub import look_up  # noqa: PLC0415

    try:
        return model_of(look_up(name, revision or "main", token, endpoint))
    except (HubError, UnsupportedModelError) as error:
        raise PlanError(_mistake(error, near)) from None


def catalogue_model(name: str) -> Model:
    """Find a model in the catalogue alone.

    Raises:
        PlanError: the catalogue does not hold it.
    """
    try:
        return find_model(name)
    except UnknownNameError as error:
        raise PlanError(_unknown_model(name, error.near)) from None


def is_catalogued(model: Model) -> bool:
    """Whether the catalogue holds the model, so that planning it needs no network."""
    try:
        return find_model(model.id) == model
    except UnknownNameError:
        return False


def _unknown_model(name: str, near: tuple[str, ...]) -> Mistake:
    """The mistake for a name that is neither in the catalogue nor a repository id."""
    hint = " or ".join(near[:3])
    return Mistake(
        key="model",
        wrong=f"'{name}' is not in the catalogue",
        rule="a short name is one of catalog/models.yaml; any other model is <organisation>/<name>",
        remedy=f"did you mean {hint}?" if near else "name one of its models, or a repository",
    )


def _mistake(error: HubError | UnsupportedModelError, near: tuple[str, ...]) -> Mistake:
    key = "model"
    if isinstance(error, RevisionNotFoundError):
        key = "revision"
    elif isinstance(error, InvalidTokenError):
        key = "huggingFaceToken"
    hint = f", or did you mean {' or '.join(near[:2])} of the catalogue?" if near else ""
    return Mistake(key=key, wrong=error.wrong, rule=_RULE, remedy=f"{error.remedy}{hint}")
