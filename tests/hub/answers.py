"""What a client asks of the Hub stand-in, what it answers, and what may go wrong in between."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.hub.repositories import File, Repository


@dataclass(frozen=True)
class Request:
    """What a client asked for; `token` is None for an anonymous request."""

    method: str
    host: str
    path: str
    query: Mapping[str, list[str]]
    token: str | None
    range: str | None


@dataclass
class Fault:
    """What goes wrong for the next `times` requests in whose path the pattern `where` is found.

    `delay` seconds pass before the answer, or the time until `held` is set; `status` replaces it;
    `cut_after` bytes of the body the connection drops; with `drip` a byte follows every so many
    seconds, without end.
    """

    where: str
    times: int
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    delay: float = 0.0
    held: threading.Event | None = None
    hang_up: bool = False
    cut_after: int | None = None
    drip: float = 0.0


@dataclass(frozen=True)
class Answer:
    """One HTTP answer: either a small body, or a slice of a file."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    file: File | None = None
    start: int = 0
    stop: int = 0

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return self.stop - self.start if self.file else len(self.body)


def refusal(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> Answer:
    """An error as the Hub words it: code and message in headers, message in the JSON body."""
    named = {"X-Error-Code": code} if code else {}
    return Answer(
        status=status,
        headers={
            **named,
            "X-Error-Message": message,
            "Content-Type": "application/json",
            **(headers or {}),
        },
        body=json.dumps({"error": message}).encode(),
    )


def json_answer(content: object) -> Answer:
    """A JSON body with status 200."""
    return Answer(
        status=200,
        headers={"Content-Type": "application/json"},
        body=json.dumps(content).encode(),
    )


def files_by_path(repository: Repository) -> list[tuple[str, File]]:
    """Files in the order in which the Hub lists them."""
    return sorted(repository.files.items())


def lfs_pointer(file: File) -> dict[str, object]:
    """What the Hub says of a file that Git LFS holds."""
    return {"size": file.size, "sha256": file.sha256, "pointerSize": 134}


def description(repository: Repository, with_blobs: bool) -> dict[str, object]:
    """The body of `/api/models/<id>/revision/<revision>`; with sizes when `blobs` is asked for."""
    siblings: list[dict[str, object]] = []
    for path, file in files_by_path(repository):
        sibling: dict[str, object] = {"rfilename": path}
        if with_blobs:
            sibling |= {"size": file.size, "blobId": file.blob_id}
            sibling |= {"lfs": lfs_pointer(file)} if file.is_lfs else {}
        siblings.append(sibling)
    return {
        "_id": "0" * 24,
        "id": repository.id,
        "modelId": repository.id,
        "sha": repository.commit,
        "private": repository.private,
        "gated": repository.gated,
        "disabled": repository.disabled,
        "tags": [],
        "siblings": siblings,
        **repository.facts,
    }


def tree_entry(path: str, file: File) -> dict[str, object]:
    """One file of `/api/models/<id>/tree/<revision>`."""
    entry: dict[str, object] = {
        "type": "file",
        "path": path,
        "size": file.size,
        "oid": file.blob_id,
    }
    if file.is_lfs:
        entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": 134}
    return entry
