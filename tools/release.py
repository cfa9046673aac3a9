"""The second source: released binaries, each with a SHA-256 that its publisher states."""

import fnmatch
import hashlib
import http.client
import json
import shutil
import tarfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from tools.records import Artifact, Release
from tools.session import Session, Unavailable

_TIMEOUT_SECONDS = 20
_CHUNK_BYTES = 1 << 20


def applies(artifact: Artifact) -> bool:
    """Whether the artifact is released for this platform."""
    return bool(artifact.releases)


def doing(artifact: Artifact) -> str:
    """What is about to happen, for the message on standard error."""
    files = len(artifact.releases)
    return "downloading the release" + (f" ({files} files)" if files > 1 else "")


def obtain(artifact: Artifact, destination: Path, session: Session) -> tuple[Path, ...]:
    """Download and verify the artifact's releases into `destination/bin`.

    Raises:
        Unavailable: a file cannot be downloaded, or is not what its publisher states.
        InterruptedError: the run has been interrupted.
    """
    started = time.monotonic()
    binaries = destination / "bin"
    binaries.mkdir(parents=True)
    try:
        for release in artifact.releases:
            _fetch(release, binaries, session)
    except _DownloadError as error:
        raise Unavailable(f"the release download failed ({error})") from error
    for program in artifact.programs:
        for name in (program.name, *program.beside):
            if not (binaries / name).is_file():
                raise Unavailable(f"the release holds no {name}")
    seconds = time.monotonic() - started
    session.say(f"downloaded {artifact.label} in {seconds:.0f} s")
    return ()


def stated_digest(text: str, file: str) -> str:
    """SHA-256 that a checksums file, a lone digest or the GitHub API states for `file`.

    Raises:
        KeyError: none is stated.
    """
    if text.lstrip().startswith("{"):
        for asset in json.loads(text).get("assets", []):
            if asset["name"] == file and str(asset.get("digest")).startswith("sha256:"):
                return asset["digest"].removeprefix("sha256:")
        raise KeyError(file)
    for line in text.splitlines():
        fields = line.split()
        named = fields[-1].removeprefix("*").removeprefix("./") if len(fields) > 1 else file
        if fields and named == file and len(fields[0]) == hashlib.sha256().digest_size * 2:
            return fields[0].lower()
    raise KeyError(file)


class _DownloadError(Exception):
    pass


def _fetch(release: Release, binaries: Path, session: Session) -> None:
    file = release.url.rsplit("/", 1)[1]
    try:
        stated = stated_digest(_read(release.checksums, session).decode(), file)
    except (KeyError, ValueError) as error:
        raise _DownloadError(f"{release.checksums} states no SHA-256 of {file}") from error
    download = binaries / f".{file}"
    found = _save(release.url, download, session)
    if found != stated:
        raise _DownloadError(f"{release.url} has SHA-256 {found}, its publisher states {stated}")
    if release.members:
        _unpack(download, release.members, binaries)
        download.unlink()
    else:
        download.chmod(0o755)
        download.rename(binaries / release.program)


def _unpack(archive: Path, members: tuple[str, ...], binaries: Path) -> None:
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = Path(member.name).name
                content = tar.extractfile(member) if member.isfile() else None
                if content is None or not any(fnmatch.fnmatch(name, m) for m in members):
                    continue
                with (binaries / name).open("wb") as output:
                    shutil.copyfileobj(content, output, _CHUNK_BYTES)
                (binaries / name).chmod(0o755)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise _DownloadError(f"{archive.name[1:]} cannot be unpacked: {error}") from error


def _read(url: str, session: Session) -> bytes:
    try:
        with _open(url, session) as response:
            return response.read()
    except (OSError, http.client.HTTPException) as error:
        raise _DownloadError(f"{url} broke off: {error}") from error


def _save(url: str, file: Path, session: Session) -> str:
    digest = hashlib.sha256()
    try:
        with _open(url, session) as response, file.open("wb") as output:
            while chunk := response.read(_CHUNK_BYTES):
                if session.stopped():
                    raise InterruptedError
                digest.update(chunk)
                output.write(chunk)
    except InterruptedError:
        raise
    except (OSError, http.client.HTTPException) as error:
        raise _DownloadError(f"{url} broke off: {error}") from error
    return digest.hexdigest()


def _open(url: str, session: Session):  # noqa: ANN202 - the type urlopen gives has no public name
    if session.settings.mirror:
        url = session.settings.mirror + urlsplit(url).path
    host = urlsplit(url).netloc
    # A host that drops packets costs a timeout: once is enough.
    if host in session.unreachable:
        raise _DownloadError(session.unreachable[host])
    try:
        return urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS)  # noqa: S310
    except urllib.error.HTTPError as error:
        raise _DownloadError(f"{url} answered HTTP {error.code}") from error
    except (OSError, http.client.HTTPException) as error:
        session.unreachable[host] = reason = _reason(error, host)
        raise _DownloadError(reason) from error


def _reason(error: Exception, host: str) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, ConnectionRefusedError):
        return f"{host} refused the connection"
    if isinstance(cause, TimeoutError):
        return f"{host} did not answer within {_TIMEOUT_SECONDS} s"
    # socket.gaierror, without importing socket for its name alone.
    if type(cause).__name__ == "gaierror":
        return f"could not resolve host {host}"
    return f"{host}: {cause}"
