"""Look a model up on the Hugging Face Hub; nothing else in this program talks to the Hub."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from json import JSONDecodeError
from typing import Literal, TypeVar, cast

import httpx2
from huggingface_hub import (
    HfApi,
    ModelInfo,
    constants,
    get_session,
    get_token,
    hf_hub_url,
    hf_raise_for_status,
)
from huggingface_hub import errors as refusals

from planning import checkpoint, hub_errors
from planning.checkpoint import Checkpoint, Json, Tensor, WeightSet
from planning.hub_errors import HubError, Question
from planning.hub_retry import HINT_PATIENCE, PATIENCE, Deadline, Patience, in_parallel, retry

T = TypeVar("T")
_Token = str | Literal[False] | None

_PRINTABLE = re.compile(r"[\x21-\x7e]+")


def look_up(
    model: str,
    revision: str = "main",
    token: str | None = None,
    endpoint: str | None = None,
    patience: Patience = PATIENCE,
) -> Checkpoint:
    """Facts of a model at the commit its revision names now, within 35 seconds.

    Without a token, HF_TOKEN or the token of `hf auth login` is used; without an endpoint,
    HF_ENDPOINT or https://huggingface.co.

    Raises:
        HubError: one of its subclasses in `hub_errors`, for whatever the Hub or network refused.
        UnsupportedModelError: the repository holds no weights that vLLM loads.
    """
    return _within_time(_question(model, revision, endpoint), token, patience, _checkpoint)


def check_access(
    model: str,
    revision: str = "main",
    token: _Token = None,
    endpoint: str | None = None,
    patience: Patience = PATIENCE,
) -> None:
    """Make sure that the token, or nobody in particular (False), may download the model's files.

    Raises:
        HubError: as `look_up` does; `GatedWithoutTokenError` and `GatedWithoutAccessError` say
            that the gate is shut.
    """
    _within_time(_question(model, revision, endpoint), token, patience, _open_gate)


@dataclass(frozen=True, slots=True)
class _Session:
    """One look-up: what is asked, with which token (False for none), until when."""

    question: Question
    token: str | bool
    deadline: Deadline

    @property
    def api(self) -> HfApi:
        return HfApi(endpoint=self.question.endpoint, token=self.token)

    def ask(self, attempt: Callable[[], T]) -> T:
        return retry(attempt, _is_transient, self.deadline)


def _question(model: str, revision: str, endpoint: str | None) -> Question:
    chosen = endpoint or os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
    return Question(model=model, revision=revision, endpoint=chosen.rstrip("/"))


def _within_time(
    question: Question, token: _Token, patience: Patience, task: Callable[[_Session], T]
) -> T:
    deadline = Deadline(patience)

    def run() -> T:
        # Looking for the token may itself ask the Hub (OIDC, an OAuth token about to expire).
        session = _Session(question, _usable_token(question, token), deadline)
        try:
            return task(session)
        except Exception as error:
            raise _explained(session, error) from None

    try:
        return in_parallel([run], deadline)[0]
    except TimeoutError:
        reason = f"no complete answer within {patience.total:.0f} seconds"
        raise hub_errors.HubDownError(question, reason) from None


def _usable_token(question: Question, token: _Token) -> str | bool:
    try:
        found = token is not False and ((token or "").strip() or get_token())
    except refusals.OIDCError:
        reason = "HF_OIDC_RESOURCE is set, but no token could be exchanged for it"
        raise hub_errors.InvalidTokenError(question, reason) from None
    if not found:
        return False
    # The HTTP client would refuse other characters with a message that quotes the whole token.
    if not _PRINTABLE.fullmatch(found):
        reason = "it holds spaces, line breaks or characters outside ASCII"
        raise hub_errors.InvalidTokenError(question, reason)
    return found


def _checkpoint(session: _Session) -> Checkpoint:
    info = session.ask(partial(_model_info, session))
    commit, siblings = info.sha, info.siblings
    if not commit or siblings is None:
        raise hub_errors.UnexpectedAnswerError(session.question, "no commit or no list of files")
    sizes = {sibling.rfilename: sibling.size or 0 for sibling in siblings}

    def read(name: str) -> Json | None:
        task = partial(_read_json, session, info.id, commit, name)
        return session.ask(task) if name in sizes else None

    # Also finds a shut gate: the description of a gated repository is public, its files are not.
    config, params = read(checkpoint.CONFIG), read(checkpoint.MISTRAL_CONFIG)
    index = read(name) if (name := checkpoint.needed_index(sizes)) else None
    weights = checkpoint.weight_set(info.id, sizes, checkpoint.indexed_files(index))
    described = cast("Json", info.config or {})  # pyright: ignore[reportUnknownMemberType]
    return Checkpoint(
        model=info.id,
        commit=commit,
        weights=weights,
        size=sum(sizes[name] for name in weights.files),
        tensors=_tensors(session, info.id, commit, weights),
        config=config,
        params=params,
        gated=bool(info.gated),
        private=bool(info.private),
        has_chat_template=checkpoint.has_chat_template(sizes, info.tags or (), described),
        pipeline_tag=info.pipeline_tag,
        license=checkpoint.license_tag(info.tags or ()),
    )


def _open_gate(session: _Session) -> None:
    info = session.ask(partial(_model_info, session))
    names = [sibling.rfilename for sibling in info.siblings or ()]
    # A model card may be open to everybody where the rest is gated.
    guarded = [name for name in names if name.endswith((".json", ".safetensors", ".bin"))]
    if guarded:
        session.ask(partial(_head, session, info.id, info.sha or "main", guarded[0]))


def _model_info(session: _Session) -> ModelInfo:
    try:
        return session.api.model_info(
            session.question.model,
            revision=session.question.revision,
            timeout=session.deadline.request_timeout(),
            files_metadata=True,
        )
    except (KeyError, TypeError):
        reason = "it does not describe a model"
        raise hub_errors.UnexpectedAnswerError(session.question, reason) from None


def _head(session: _Session, model: str, commit: str, name: str) -> None:
    session.api.get_hf_file_metadata(
        url=hf_hub_url(model, name, revision=commit, endpoint=session.question.endpoint),
        timeout=session.deadline.request_timeout(),
    )


def _read_json(session: _Session, model: str, commit: str, name: str) -> Json:
    url = hf_hub_url(model, name, revision=commit, endpoint=session.question.endpoint)
    try:
        content = _get(session, url, {}).json()
    except (JSONDecodeError, UnicodeDecodeError):
        content = None
    if isinstance(content, dict):
        return cast("Json", content)
    raise hub_errors.UnexpectedAnswerError(session.question, f"{name} is not a JSON object")


def _get(session: _Session, url: str, query: Mapping[str, str]) -> httpx2.Response:
    # hf_hub_download would write into the user's cache and retry beyond the deadline.
    response = get_session().get(
        url,
        params=dict(query),
        headers={"Authorization": f"Bearer {session.token}"} if session.token else {},
        timeout=session.deadline.request_timeout(),
    )
    hf_raise_for_status(response)
    return response


def _tensors(session: _Session, model: str, commit: str, weights: WeightSet) -> tuple[Tensor, ...]:
    if weights.format == "pytorch":
        return ()
    read = partial(_header, session, model, commit)
    try:
        headers = in_parallel(
            [partial(session.ask, partial(read, name)) for name in weights.files],
            session.deadline,
        )
    except refusals.SafetensorsParsingError:
        return ()
    return tuple(tensor for header in headers for tensor in header)


def _header(session: _Session, model: str, commit: str, name: str) -> tuple[Tensor, ...]:
    header = session.api.parse_safetensors_file_metadata(
        model, name, revision=commit, timeout=session.deadline.request_timeout()
    )
    return tuple(
        Tensor(name, tensor.dtype, tuple(tensor.shape), tensor.data_offsets)
        for name, tensor in sorted(header.tensors.items())
    )


def _is_transient(error: Exception) -> bool:
    if isinstance(error, refusals.HfHubHTTPError):
        return error.response.status_code in hub_errors.TRANSIENT_STATUSES
    return isinstance(error, _TRANSIENT)


_TRANSIENT = (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError)

_KINDS: tuple[tuple[type[Exception], type[HubError], str], ...] = (
    (refusals.HFValidationError, hub_errors.MalformedModelIdError, ""),
    (refusals.OfflineModeIsEnabled, hub_errors.HubOfflineError, "HF_HUB_OFFLINE is set"),
    (refusals.RevisionNotFoundError, hub_errors.RevisionNotFoundError, ""),
    (refusals.DisabledRepoError, hub_errors.ModelDisabledError, ""),
    (httpx2.UnsupportedProtocol, hub_errors.UnexpectedAnswerError, hub_errors.NO_ADDRESS),
    (httpx2.InvalidURL, hub_errors.UnexpectedAnswerError, hub_errors.NO_ADDRESS),
    (httpx2.ConnectError, hub_errors.HubOfflineError, hub_errors.NO_CONNECTION),
    (httpx2.ConnectTimeout, hub_errors.HubOfflineError, hub_errors.NO_CONNECTION),
    (httpx2.ProxyError, hub_errors.HubOfflineError, hub_errors.NO_CONNECTION),
    (httpx2.TimeoutException, hub_errors.HubDownError, "no answer came in time"),
    (httpx2.TransportError, hub_errors.HubDownError, "the connection broke off"),
    (TimeoutError, hub_errors.HubDownError, "no answer came in time"),
    (JSONDecodeError, hub_errors.UnexpectedAnswerError, "it is not JSON"),
)
"""What huggingface_hub and its HTTP client raise, the more particular kinds first."""


def _explained(session: _Session, error: Exception) -> Exception:
    """The `HubError` for what huggingface_hub raised; any other exception as it is."""
    question = session.question
    if isinstance(error, refusals.GatedRepoError):
        if session.token:
            return hub_errors.GatedWithoutAccessError(question)
        return hub_errors.GatedWithoutTokenError(question)
    status = error.response.status_code if isinstance(error, refusals.HfHubHTTPError) else None
    # huggingface_hub reads a bare 401 as "not found" from an https address only.
    is_anonymous_refusal = status == 401 and not session.token
    if isinstance(error, refusals.RepositoryNotFoundError) or is_anonymous_refusal:
        return _unseen(session)
    for raised, kind, reason in _KINDS:
        if isinstance(error, raised):
            return kind(question, reason)
    return error if status is None else hub_errors.refusal(question, status)


def _unseen(session: _Session) -> HubError:
    question = session.question
    if (near := _near_name(session)) is not None:
        return hub_errors.ModelNotFoundError(question, f"did you mean '{near}'?")
    if not session.token:
        return hub_errors.PrivateModelError(question)
    return hub_errors.ModelNotFoundError(
        question,
        "check the spelling, or, if the model is private, use the token of an account that can "
        "see it",
    )


def _near_name(session: _Session) -> str | None:
    owner = session.question.model.partition("/")[0]
    brief = replace(session, deadline=Deadline(HINT_PATIENCE))
    try:
        listed = _get(brief, f"{brief.question.endpoint}/api/models", {"author": owner}).json()
        names = [str(entry["id"]) for entry in listed]
    except (httpx2.HTTPError, ValueError, KeyError, TypeError):
        return None  # a hint is worth no second error
    near = get_close_matches(session.question.model, names, n=1, cutoff=0.8)
    return near[0] if near else None
