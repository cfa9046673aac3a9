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
    """A model could not be looked up; the message is one sentence with the remedy.

    No message ever holds the token: it is built from `Question`, which does not know it.
    """

    sentence: ClassVar[str] = "cannot look up model '{model}' on {endpoint}: {reason}"

    def __init__(self, question: Question, reason: str = "") -> None:
        self.question = question
        self.reason = reason
        super().__init__(
            self.sentence.format(
                model=question.model,
                revision=question.revision,
                endpoint=question.endpoint,
                page=f"{question.endpoint}/{question.model}",
                reason=reason,
            )
        )


class MalformedModelIdError(HubError):
    """The id cannot be the name of a repository."""

    sentence = (
        "model '{model}' is not a Hugging Face repository id; write <organisation>/<name>, "
        "such as mistralai/Mistral-7B-Instruct-v0.3, or a short name of the catalogue"
    )


class ModelNotFoundError(HubError):
    """The Hub shows no such model to the token that was given, or knows one of nearly that name."""

    sentence = "{endpoint} has no model '{model}'; {reason}"


class PrivateModelError(HubError):
    """Without a token the Hub answers alike for a private model and for one that does not exist.

    Source: the note on status 401 in huggingface_hub 2.4.0, `hf_raise_for_status`.
    """

    sentence = (
        "model '{model}' is private or does not exist, which {endpoint} does not tell apart for "
        "an anonymous request; check the spelling, or set huggingFaceToken (or HF_TOKEN) to the "
        "token of an account that can see the model"
    )


class GatedWithoutTokenError(HubError):
    """The model's owner wants to know who downloads it, and no token was given."""

    sentence = (
        "model '{model}' is gated and no token was given; accept its terms on {page} and set "
        "huggingFaceToken (or HF_TOKEN) to a token of that account"
    )


class GatedWithoutAccessError(HubError):
    """The token is valid, but its account has not been let through the gate."""

    sentence = (
        "model '{model}' is gated and the account of the given token has no access to it; accept "
        "its terms on {page} with that account, wait for the approval if there is one, and allow "
        "the token to read gated repositories"
    )


class InvalidTokenError(HubError):
    """The Hub does not accept the token at all."""

    sentence = (
        "{endpoint} refused the token given for model '{model}': {reason}; create a read token "
        "on {endpoint}/settings/tokens and set huggingFaceToken (or HF_TOKEN) to it"
    )


class RevisionNotFoundError(HubError):
    """The model exists, but not at that branch, tag or commit."""

    sentence = (
        "model '{model}' has no revision '{revision}'; set revision to the full sha of a commit "
        "listed on {page}/commits/main"
    )


class ModelDisabledError(HubError):
    """The Hub or the owner has taken the model out of service."""

    sentence = "model '{model}' is disabled on {endpoint}; choose another model"


class HubOfflineError(HubError):
    """No connection to the Hub could be made, or none is wanted."""

    sentence = (
        "cannot look up model '{model}' on {endpoint}: {reason}; a model of the catalogue needs "
        "no network, and `make lock MODEL={model}` adds this one where there is a network"
    )


class HubDownError(HubError):
    """The Hub was reached but did not answer, or answered with an error of its own."""

    sentence = (
        "{endpoint} did not answer for model '{model}': {reason}; try again later "
        "(https://status.huggingface.co), or choose a model of the catalogue, which needs no Hub"
    )


class RateLimitedError(HubDownError):
    """Too many requests came from this address or account."""

    sentence = (
        "{endpoint} refuses further requests for now while looking up model '{model}'; wait five "
        "minutes, or set huggingFaceToken (or HF_TOKEN), which raises the limit"
    )


class UnexpectedAnswerError(HubError):
    """The answer is not one of a Hub, or a file of the model cannot be read."""

    sentence = (
        "cannot read what {endpoint} answered for model '{model}': {reason}; check HF_ENDPOINT "
        "and any proxy between, and open {page} in a browser"
    )


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
