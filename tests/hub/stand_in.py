"""A Hugging Face Hub on loopback: what the real one answers, for small repositories made up here.

Answers follow what huggingface_hub 2.4.0 reads (`hf_api.py`, `file_download.py`, `utils/_http.py`):
`X-Error-Code`, `X-Repo-Commit`, `X-Linked-Size`, `X-Linked-Etag`, 302 to a storage host for large
files, `ETag`, ranges, and 401 or 404 alike for a repository that is private and one that is absent.
"""

import re
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub.answers import (
    Answer,
    Fault,
    Request,
    description,
    files_by_path,
    json_answer,
    refusal,
    tree_entry,
)
from tests.hub.repositories import File, Repository

CHUNK = 1 << 20

OPEN_FILES = frozenset({".gitattributes", "README.md"})
"""Shown to everybody even in a gated repository."""


class HubStandIn:
    """The Hub's state: repositories, valid tokens, faults to play, and the requests seen.

    `repositories` and `tokens` may be changed between requests. Large files are redirected to
    `storage_host`, another name of the loopback, so that a leaked token would show. `pace` seconds
    pass before each MiB of a file, and while `withholds` is set the last one is not sent.
    """

    def __init__(self, repositories: list[Repository], tokens: frozenset[str]) -> None:
        self.repositories = {repository.id: repository for repository in repositories}
        self.moved: dict[str, str] = {}
        self.tokens = tokens
        self.requests: list[Request] = []
        self.supports_ranges = True
        self.pace = 0.0
        self.withholds = False
        self.closing = threading.Event()
        self.port = 0
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        """What `HF_ENDPOINT` is set to."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def storage_host(self) -> str:
        """Where large files are redirected to: another origin on the same server."""
        return f"http://localhost:{self.port}"

    def add(self, repository: Repository) -> Repository:
        """Publish a repository."""
        self.repositories[repository.id] = repository
        return repository

    def play(self, fault: Fault) -> None:
        """Make the coming requests go wrong."""
        self._faults.append(fault)

    def record(self, request: Request) -> Fault | None:
        """Note a request and take the fault that is due for it."""
        with self._lock:
            self.requests.append(request)
            for fault in self._faults:
                if fault.times > 0 and re.search(fault.where, request.path):
                    fault.times -= 1
                    return fault
        return None

    def paths(self, method: str = "GET") -> list[str]:
        """The paths asked for so far, in order of arrival."""
        return [request.path for request in self.requests if request.method == method]

    def answer(self, request: Request) -> Answer:
        """The answer of a healthy Hub."""
        if request.token is not None and request.token not in self.tokens:
            return refusal(401, "", "Invalid credentials in Authorization header")
        parts = [unquote(part) for part in request.path.strip("/").split("/")]
        if parts[:1] == ["storage"]:
            return self._stored(request, parts[1])
        if parts == ["api", "models"]:
            return self._listed(request)
        if parts[:2] == ["api", "models"] and len(parts) >= 4:
            return self._api(request, "/".join(parts[2:4]), parts[4:])
        if len(parts) >= 5 and parts[2] == "resolve":
            return self._resolved(request, "/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        return refusal(404, "", "Not Found")

    def _visible(self, request: Request, name: str) -> Repository | Answer:
        repository = self.repositories.get(name)
        if name in self.moved:
            target = request.path.replace(name, self.moved[name], 1)
            return Answer(status=307, headers={"Location": target})
        if repository is None or (repository.private and request.token not in repository.readers):
            if request.token is None:
                return refusal(401, "RepoNotFound", "Invalid username or password.")
            return refusal(404, "RepoNotFound", "Repository not found")
        if repository.disabled:
            return refusal(403, "", "Access to this resource is disabled.")
        return repository

    def _gate(self, request: Request, repository: Repository) -> Answer | None:
        if not repository.gated or request.token in repository.readers:
            return None
        if request.token is None:
            message = f"Access to model {repository.id} is restricted. You must be authenticated."
            return refusal(401, "GatedRepo", message)
        message = f"Access to model {repository.id} is restricted: not in the authorized list."
        return refusal(403, "GatedRepo", message)

    def _listed(self, request: Request) -> Answer:
        author = request.query.get("author", [""])[0]
        names = [
            {"id": repository.id}
            for repository in self.repositories.values()
            if repository.id.startswith(f"{author}/") and not repository.private
        ]
        return json_answer(names)

    def _api(self, request: Request, name: str, rest: list[str]) -> Answer:
        repository = self._visible(request, name)
        if isinstance(repository, Answer):
            return repository
        action = rest[0] if rest else "revision"
        revision = rest[1] if len(rest) > 1 else "main"
        if action == "auth-check":
            return self._gate(request, repository) or json_answer({})
        if not repository.resolves(revision):
            return refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if action == "tree":
            return json_answer([tree_entry(path, file) for path, file in files_by_path(repository)])
        if action == "revision":
            return json_answer(description(repository, "blobs" in request.query))
        return refusal(404, "", "Not Found")

    def _resolved(self, request: Request, name: str, revision: str, path: str) -> Answer:
        repository = self._visible(request, name)
        if isinstance(repository, Answer):
            return repository
        if not repository.resolves(revision):
            return refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        refused = self._gate(request, repository)
        if refused is not None and path not in OPEN_FILES:
            return refused
        commit = {"X-Repo-Commit": repository.commit}
        file = repository.files.get(path)
        if file is None:
            return refusal(404, "EntryNotFound", "Entry not found", commit)
        etag = f'"{file.sha256 if file.is_lfs else file.blob_id}"'
        if not file.is_lfs:
            return self._slice(request, file, {**commit, "ETag": etag})
        linked = {"X-Linked-Size": str(file.size), "X-Linked-Etag": etag}
        location = f"{self.storage_host}/storage/{file.sha256}"
        return Answer(status=302, headers={**commit, **linked, "Location": location})

    def _stored(self, request: Request, digest: str) -> Answer:
        for repository in self.repositories.values():
            for file in repository.files.values():
                if file.sha256 == digest:
                    return self._slice(request, file, {"ETag": f'"{digest}"'})
        return refusal(404, "", "Not Found")

    def _slice(self, request: Request, file: File, headers: Mapping[str, str]) -> Answer:
        if request.range is None or not self.supports_ranges:
            return Answer(200, {**headers, "Accept-Ranges": "bytes"}, file=file, stop=file.size)
        first, _, last = request.range.removeprefix("bytes=").partition("-")
        start = int(first) if first else max(0, file.size - int(last))
        stop = min(int(last) + 1, file.size) if first and last else file.size
        if start >= file.size:
            return Answer(416, {"Content-Range": f"bytes */{file.size}"})
        content_range = {"Content-Range": f"bytes {start}-{stop - 1}/{file.size}"}
        return Answer(206, {**headers, **content_range}, file=file, start=start, stop=stop)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: ClassVar[HubStandIn]

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: a test reads `HubStandIn.requests`."""

    def _serve(self) -> None:
        url = urlsplit(self.path)
        authorization = self.headers.get("Authorization")
        request = Request(
            method=self.command,
            host=self.headers.get("Host", ""),
            path=url.path,
            query=parse_qs(url.query, keep_blank_values=True),
            token=authorization.removeprefix("Bearer ") if authorization else None,
            range=self.headers.get("Range"),
        )
        fault = self.hub.record(request)
        if fault is None:
            return self._send(self.hub.answer(request))
        self.hub.closing.wait(fault.delay)
        if fault.held:
            fault.held.wait()
        if fault.hang_up:
            self.close_connection = True
            return None
        if fault.drip:
            return self._drip(fault.drip)
        if fault.status:
            return self._send(Answer(fault.status, fault.headers, fault.body))
        return self._send(self.hub.answer(request), fault.cut_after)

    def _send(self, answer: Answer, cut_after: int | None = None) -> None:
        try:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(answer.length))
            self.end_headers()
            if self.command != "HEAD":
                self._send_body(answer, answer.length if cut_after is None else cut_after)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _send_body(self, answer: Answer, length: int) -> None:
        self.close_connection |= length < answer.length
        if answer.file is None:
            self.wfile.write(answer.body[:length])
            return
        stop = min(answer.stop, answer.start + length)
        withholds = self.hub.withholds and answer.file.size > CHUNK
        if withholds:
            stop = min(stop, answer.file.size - CHUNK)
        for position in range(answer.start, stop, CHUNK):
            time.sleep(self.hub.pace)
            self.wfile.write(answer.file.read(position, min(position + CHUNK, stop)))
        if withholds:
            # Until the client is gone.
            self.rfile.read(1)
            self.close_connection = True

    def _drip(self, pause: float) -> None:
        """A body without an end, one byte at a time: no read ever times out."""
        self.close_connection = True
        with suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            while not self.hub.closing.wait(pause):
                self.wfile.write(b" ")
                self.wfile.flush()


@contextmanager
def running_hub(
    repositories: list[Repository] | None = None, tokens: frozenset[str] = frozenset()
) -> Generator[HubStandIn]:
    """A stand-in on a free loopback port, stopped on leaving."""
    hub = HubStandIn(repositories or [], tokens)
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    # A handler that waits for its client must not hold the test up.
    server.block_on_close = False
    hub.port = int(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        # Else a client that was given up on would go on reading through all later tests.
        hub.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
