"""What may go wrong when a model is looked up on the Hugging Face Hub, each with its remedy."""

from dataclasses import dataclass
from typing import ClassVar

TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
"""Worth another attempt; what huggingface_hub 2.4.0 itself retries (`utils/_http.py`)."""


NO_ADDRESS = "HF_ENDPOINT is not an http:// or https:// address"
NO_CONNECTION = "no connection could be made, check the network, the proxy and HF_ENDPOINT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was asked of which Hub."""

    model: str
    revision: str
    endpoint: str


class HubError(Exception):
    """A model could not be looked up; the message says what is `wrong`, then the `remedy`.

    No message ever holds the token: it is built from `Question`, which does not know it.
    """

    wrong_template: ClassVar[str]
    remedy_template: ClassVar[str]

    def __init__(self, question: Question, reason: str = "") -> None:
        self.question = question
        self.reason = reason
        self.wrong = self._filled(self.wrong_template)
        self.remedy = self._filled(self.remedy_template, key="huggingFaceToken (or HF_TOKEN)")
        super().__init__(f"{self.wrong}; {self.remedy}")

    @property
    def remedy_for_pods(self) -> str:
        """The remedy where HF_TOKEN does not count, since no pod has it."""
        return self._filled(self.remedy_template, key="huggingFaceToken")

    def _filled(self, template: str, key: str = "") -> str:
        question = self.question
        return template.format(
            model=question.model,
            revision=question.revision,
            endpoint=question.endpoint,
            page=f"{question.endpoint}/{question.model}",
            reason=self.reason,
            key=key,
        )


class MalformedModelIdError(HubError):
    """The id cannot be the name of a repository."""

    wrong_template = "model '{model}' is not a Hugging Face repository id"
    remedy_template = (
        "write <organisation>/<name>, such as mistralai/Mistral-7B-Instruct-v0.3, or a short name "
        "of the catalogue"
    )


class ModelNotFoundError(HubError):
    """The Hub shows no such model to the token that was given, or knows one of nearly that name."""

    wrong_template = "{endpoint} has no model '{model}'"
    remedy_template = "{reason}"


class PrivateModelError(HubError):
    """Without a token the Hub answers alike for a private model and for one that does not exist.

    Source: the note on status 401 in huggingface_hub 2.4.0, `hf_raise_for_status`.
    """

    wrong_template = (
        "model '{model}' is private or does not exist, which {endpoint} does not tell apart for "
        "an anonymous request"
    )
    remedy_template = (
        "check the spelling, or set {key} to the token of an account that can see the model"
    )


class GatedWithoutTokenError(HubError):
    """The model's owner wants to know who downloads it, and no token was given."""

    wrong_template = "model '{model}' is gated and no token was given"
    remedy_template = "accept its terms on {page} and set {key} to a token of that account"


class GatedWithoutAccessError(HubError):
    """The token is valid, but its account has not been let through the gate."""

    wrong_template = (
        "model '{model}' is gated and the account of the given token has no access to it"
    )
    remedy_template = (
        "accept its terms on {page} with that account, wait for the approval if there is one, and "
        "allow the token to read gated repositories"
    )


class InvalidTokenError(HubError):
    """The Hub does not accept the token at all."""

    wrong_template = "{endpoint} refused the token given for model '{model}': {reason}"
    remedy_template = "create a read token on {endpoint}/settings/tokens and set {key} to it"


class RevisionNotFoundError(HubError):
    """The model exists, but not at that branch, tag or commit."""

    wrong_template = "model '{model}' has no revision '{revision}'"
    remedy_template = "set revision to the full sha of a commit listed on {page}/commits/main"


class ModelDisabledError(HubError):
    """The Hub or the owner has taken the model out of service."""

    wrong_template = "model '{model}' is disabled on {endpoint}"
    remedy_template = "choose another model"


class HubOfflineError(HubError):
    """No connection to the Hub could be made, or none is wanted."""

    wrong_template = "cannot look up model '{model}' on {endpoint}: {reason}"
    remedy_template = (
        "a model of the catalogue needs no network, and `make lock MODEL={model}` adds this one "
        "where there is a network"
    )


class HubDownError(HubError):
    """The Hub was reached but did not answer, or answered with an error of its own."""

    wrong_template = "{endpoint} did not answer for model '{model}': {reason}"
    remedy_template = (
        "try again later (https://status.huggingface.co), or choose a model of the catalogue, "
        "which needs no Hub"
    )


class RateLimitedError(HubDownError):
    """Too many requests came from this address or account."""

    wrong_template = "{endpoint} refuses further requests for now while looking up model '{model}'"
    remedy_template = "wait five minutes, or set {key}, which raises the limit"


class UnexpectedAnswerError(HubError):
    """The answer is not one of a Hub, or a file of the model cannot be read."""

    wrong_template = "cannot read what {endpoint} answered for model '{model}': {reason}"
    remedy_template = "check HF_ENDPOINT and any proxy between, and open {page} in a browser"


def refusal(question: Question, status: int) -> HubError:
    """The error for an HTTP status that comes without a reason the Hub has a code for."""
    match status:
        case 401:
            return InvalidTokenError(question, "it is mistyped, expired or revoked")
        case 403:
            return InvalidTokenError(question, "it lacks the right to read this repository")
        case 429:
            return RateLimitedError(question)
        case _ if status in TRANSIENT_STATUSES or status >= 500:
            return HubDownError(question, f"HTTP status {status}")
        case _:
            return UnexpectedAnswerError(question, f"HTTP status {status}")
