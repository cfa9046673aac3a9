"""An empty machine and a mirror of releases, for the tests of the tools."""

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Self
from urllib.parse import urlsplit

from tools.artifacts import named
from tools.pins import TOOLS
from tools.records import Artifact

CLOSED = "http://127.0.0.1:1"

# It answers as go does where the installer asks, and builds a file that says what it is. It ends
# with its parent, so that a killed installer leaves no process behind.
GO = f"""#!{sys.executable}
import json, os, sys, time
arguments = sys.argv[1:]
mode = os.environ.get("FAKE_GO", "")
home = os.environ["FAKE_HOME"]
if arguments[:2] == ["env", "GOVERSION"]:
    print("go1.20.14" if mode == "old" else "go1.99.0")
elif arguments[:2] == ["mod", "download"]:
    print(json.dumps({{"Dir": os.path.join(home, "module")}}, indent=1))
else:
    output = arguments[arguments.index("-o") + 1]
    # Once the calls tell of this build, its parent may be killed.
    parent, end = os.getppid(), time.monotonic() + {{"slow": 60}}.get(mode, 0)
    open(output, "w").write("half of it")
    with open(os.path.join(home, "calls"), "a") as calls:
        calls.write(" ".join([str(os.getpid()), os.path.basename(output), *arguments]) + "\\n")
    finish = os.path.join(home, "finish")
    while time.monotonic() < end and os.getppid() == parent and not os.path.exists(finish):
        time.sleep(0.02)
    if os.getppid() != parent:
        sys.exit(1)
    if mode == "stalls once" and not os.path.exists(stalled := os.path.join(home, "stalled")):
        open(stalled, "w").close()
        print("go: reading https://proxy.example/x.zip: read: connection reset by peer")
        sys.exit(1)
    if mode == "fail":
        print("\\n".join(f"error {{n}}" for n in range(1, 31)))
        sys.exit(3)
    open(output, "w").write("built " + " ".join(sorted(os.listdir("."))))
    os.chmod(output, 0o755)
"""

PULUMI = f"""#!{sys.executable}
import os, shutil, sys
if sys.argv[1] == "version":
    print("v{named("pulumi").version}")
else:
    verb, kind, name, version, _, file = sys.argv[2:]
    plugins = os.path.join(os.environ["PULUMI_HOME"], "plugins", f"{{kind}}-{{name}}-v{{version}}")
    os.makedirs(plugins)
    shutil.copy(file, plugins)
"""


class Machine:
    """An empty machine: a cache, a PATH with nothing but the stand-in for go, and no network."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.clone = TOOLS.parent
        self.path = home / "bin"
        self.cache = home / "cache" / "mistral-vllm"
        self.calls = home / "calls"
        self.environment = {
            "FAKE_HOME": str(home),
            "HOME": str(home),
            "PATH": str(self.path),
            "TOOLS_RELEASE_MIRROR": CLOSED,
            "XDG_CACHE_HOME": str(home / "cache"),
        }
        self.path.mkdir()
        self.put("go", GO)

    def put(self, name: str, text: str) -> Path:
        (self.path / name).write_text(text)
        (self.path / name).chmod(0o755)
        return self.path / name

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tools", *arguments],
            cwd=self.clone,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        process = self.start(*arguments, **environment)
        output, errors = process.communicate(timeout=60)
        return process.returncode, output, errors

    def builds(self) -> list[str]:
        if not self.calls.exists():
            return []
        return [line.split()[1] for line in self.calls.read_text().splitlines()]

    def wait_for_build(self) -> int:
        for _ in range(3000):
            if self.builds():
                return int(self.calls.read_text().split()[0])
            time.sleep(0.02)
        raise AssertionError("no build was started")

    def finish_build(self) -> None:
        """Let a slow build end."""
        (self.home / "finish").touch()

    def entries(self) -> list[str]:
        return sorted(entry.name for entry in self.cache.glob("entries/*"))

    def leftovers(self) -> list[Path]:
        return list(self.cache.glob("partial/*"))

    def installed(self, name: str) -> Path:
        (found,) = self.cache.glob(f"entries/*/bin/{name}")
        return found

    def locate(self, expression: str) -> str:
        """What an expression on tools.locate prints here, or the message of its MissingTool."""
        code = (
            "from tools.locate import *\n"
            f"try:\n    print({expression})\nexcept MissingTool as missing:\n    print(missing)"
        )
        answer = subprocess.run(
            [sys.executable, "-c", code],
            cwd=self.clone,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return answer.stdout.rstrip("\n")


class Mirror:
    """A mirror of releases on loopback; `content` holds its files by path.

    The one whose path is `cut_short` breaks off.
    """

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.cut_short = ""
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = mirror.content.get(self.path)
                self.send_response(404 if body is None else 200)
                if self.path == mirror.cut_short:
                    self.send_header("Content-Length", "1000000")
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                del format, args

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def publish(self, artifact: Artifact, members: list[str]) -> None:
        for item in artifact.releases:
            body = archive(members) if item.members else f"binary {item.program}".encode()
            self.content[urlsplit(item.url).path] = body
            self.state(item.checksums, item.url.rsplit("/", 1)[1], hashlib.sha256(body).hexdigest())

    def state_wrongly(self, artifact: Artifact) -> None:
        item = artifact.releases[0]
        self.state(item.checksums, item.url.rsplit("/", 1)[1], "f" * 64)

    def state(self, address: str, file: str, digest: str) -> None:
        if address.startswith("https://api.github.com/"):
            assets = [
                {"name": "other", "digest": None},
                {"name": file, "digest": f"sha256:{digest}"},
            ]
            text = json.dumps({"assets": assets})
        elif address.endswith(".sha256"):
            text = digest
        else:
            text = f"{'0' * 64}  other.tar.gz\n{digest}  {file}\n"
        self.content[urlsplit(address).path] = text.encode()

    @contextmanager
    def serving(self) -> Generator[Self]:
        thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            thread.join()
            self.server.server_close()


def archive(members: list[str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for member in members:
            entry = tarfile.TarInfo(member)
            entry.size = len(member)
            tar.addfile(entry, io.BytesIO(member.encode()))
    return buffer.getvalue()
