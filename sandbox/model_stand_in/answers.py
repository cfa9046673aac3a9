"""What the stand-in answers: the shapes of the OpenAI API, and a text that says what it is."""

import json
from typing import Any

# Shown by GET /v1/models; every model that a request names is answered for.
MODEL = "stand-in"
_IDENTITY = "stand-in-0"
_EMBEDDING = (0.6, 0.8)


def text(address: str) -> str:
    """Return what the model says: that it is none, and which address answered."""
    return f"This is a stand-in for a model. No model ran. It answered at {address}."


def models() -> dict[str, Any]:
    """Return the answer to GET /v1/models."""
    return {"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": MODEL}]}


def chat_completion(asked: dict[str, Any], address: str) -> dict[str, Any]:
    """Return a whole answer to POST /v1/chat/completions."""
    message = {"role": "assistant", "content": text(address)}
    return _completion(asked, "chat.completion", {"message": message}) | _usage(address)


def completion(asked: dict[str, Any], address: str) -> dict[str, Any]:
    """Return a whole answer to POST /v1/completions."""
    return _completion(asked, "text_completion", {"text": text(address)}) | _usage(address)


def events(asked: dict[str, Any], address: str, *, chat: bool) -> list[str]:
    """Return the data of the events of a streamed answer: a word each, the reason, the end."""
    kind = "chat.completion.chunk" if chat else "text_completion"
    pieces = [word + " " for word in text(address).split()]
    made = [
        _completion(
            asked,
            kind,
            {"delta": {"role": "assistant", "content": piece}} if chat else {"text": piece},
            finish_reason=None,
        )
        for piece in pieces
    ]
    made.append(_completion(asked, kind, {"delta": {}} if chat else {"text": ""}))
    return [*(json.dumps(event) for event in made), "[DONE]"]


def embeddings(asked: dict[str, Any]) -> dict[str, Any]:
    """Return one and the same vector for each text of POST /v1/embeddings."""
    given = asked.get("input", "")
    count = len(given) if isinstance(given, list) else 1  # pyright: ignore[reportUnknownArgumentType]
    data = [
        {"object": "embedding", "index": index, "embedding": list(_EMBEDDING)}
        for index in range(count)
    ]
    return {"object": "list", "data": data, "model": asked.get("model", MODEL)}


def mistake(message: str, status: int) -> dict[str, Any]:
    """Return an error as vLLM shapes it."""
    return {"error": {"message": message, "type": "BadRequestError", "code": status}}


def _completion(
    asked: dict[str, Any], kind: str, said: dict[str, Any], finish_reason: str | None = "stop"
) -> dict[str, Any]:
    return {
        "id": _IDENTITY,
        "object": kind,
        "created": 0,
        "model": asked.get("model", MODEL),
        "choices": [{"index": 0, **said, "finish_reason": finish_reason}],
    }


def _usage(address: str) -> dict[str, Any]:
    words = len(text(address).split())
    return {"usage": {"prompt_tokens": 0, "completion_tokens": words, "total_tokens": words}}
