"""`python3 -m tools` as a user runs it, with a stand-in for go and no network."""

import hashlib
import io
import os
import signal
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

from tools.artifacts import named
from tools.pins import TOOLS

CLOSED = "http://127.0.0.1:1"
ACTIONLINT = f"actionlint v{named('actionlint').version}"

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
    with open(os.path.join(home, "calls"), "a") as calls:
        calls.write(f"{{os.getpid()}} {{os.path.basename(output)}}\\n")
    parent, end = os.getppid(), time.monotonic() + {{"slow": 30, "brief": 0.5}}.get(mode, 0)
    open(output, "w").write("half of it")
    while time.monotonic() < end and os.getppid() == parent:
        time.sleep(0.02)
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
        self.path.mkdir()
        self.put("go", GO)

    def put(self, name: str, text: str) -> Path:
        (self.path / name).write_text(text)
        (self.path / name).chmod(0o755)
        return self.path / name

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        base = {
            "FAKE_HOME": str(self.home),
            "HOME": str(self.home),
            "PATH": str(self.path),
            "TOOLS_RELEASE_MIRROR": CLOSED,
            "XDG_CACHE_HOME": str(self.home / "cache"),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "tools", *arguments],
            cwd=self.clone,
            env=base | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        process = self.start(*arguments, **environment)
        output, errors = process.communicate(timeout=60)
        return process.returncode, output, errors

    def builds(self) -> list[str]:
        calls = self.home / "calls"
        return (
            [line.split()[1] for line in calls.read_text().splitlines()] if calls.exists() else []
        )

    def wait_for_build(self) -> int:
        for _ in range(500):
            if self.builds():
                return int((self.home / "calls").read_text().split()[0])
            time.sleep(0.02)
        raise AssertionError("no build was started")

    def entries(self) -> list[str]:
        return sorted(entry.name for entry in self.cache.glob("entries/*"))

    def leftovers(self) -> list[Path]:
        return list(self.cache.glob("partial/*"))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    directory = tmp_path / "mirror"
    directory.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(directory)))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def publish_actionlint(directory: Path, digest: str = "") -> None:
    release = named("actionlint").releases[0]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        entry = tarfile.TarInfo("actionlint")
        entry.size = len(b"released")
        tar.addfile(entry, io.BytesIO(b"released"))
    file = directory / urlsplit(release.url).path[1:]
    file.parent.mkdir(parents=True)
    file.write_bytes(buffer.getvalue())
    stated = digest or hashlib.sha256(buffer.getvalue()).hexdigest()
    (directory / urlsplit(release.checksums).path[1:]).write_text(f"{stated}  {file.name}\n")


def installed(machine: Machine, name: str) -> Path:
    (found,) = machine.cache.glob(f"entries/*/bin/{name}")
    return found


def test_a_failed_download_says_why_and_what_is_tried_next(machine: Machine) -> None:
    status, output, errors = machine.run("install", "actionlint")
    assert (status, output) == (0, "")
    first, second, last = errors.splitlines()
    assert first == f"{ACTIONLINT}: downloading the release"
    assert second == (
        f"{ACTIONLINT}: the release download failed (127.0.0.1:1 refused the connection); "
        "building from Go modules (about 20 s)"
    )
    assert last.startswith(f"built {ACTIONLINT} from Go modules in ")
    assert installed(machine, "actionlint").read_text().startswith("built ")


def test_a_verified_release_is_taken_before_go_is_asked(machine: Machine, mirror: str) -> None:
    publish_actionlint(machine.home / "mirror")
    status, _, errors = machine.run("install", "actionlint", TOOLS_RELEASE_MIRROR=mirror)
    assert status == 0
    assert f"downloaded {ACTIONLINT} in " in errors
    assert installed(machine, "actionlint").read_text() == "released"
    assert machine.builds() == []


def test_a_release_with_a_wrong_checksum_is_built_instead(machine: Machine, mirror: str) -> None:
    publish_actionlint(machine.home / "mirror", digest="f" * 64)
    status, _, errors = machine.run("install", "actionlint", TOOLS_RELEASE_MIRROR=mirror)
    assert status == 0
    assert f"its publisher states {'f' * 64}); building from Go modules" in errors
    assert installed(machine, "actionlint").read_text().startswith("built ")


def test_a_suitable_program_on_path_is_taken_before_anything_else(
    machine: Machine, mirror: str
) -> None:
    publish_actionlint(machine.home / "mirror")
    file = machine.put("actionlint", f"#!/bin/sh\necho {named('actionlint').version}\n")
    status, _, errors = machine.run("install", "actionlint", TOOLS_RELEASE_MIRROR=mirror)
    assert (status, errors) == (0, f"{ACTIONLINT}: using {file}\n")
    assert installed(machine, "actionlint").resolve() == file


def test_a_program_on_path_that_was_upgraded_since_is_looked_at_again(machine: Machine) -> None:
    file = machine.put("actionlint", f"#!/bin/sh\necho {named('actionlint').version}\n")
    machine.run("install", "actionlint")
    file.write_text("#!/bin/sh\necho 99.0.0\n")
    status, _, errors = machine.run("env", "actionlint")
    assert (status, "python3 -m tools install actionlint" in errors) == (1, True)
    status, _, errors = machine.run("install", "actionlint")
    assert (status, f"{file} is version 99.0.0, not" in errors) == (0, True)
    assert not installed(machine, "actionlint").is_symlink()


def test_a_second_run_does_nothing_and_prints_nothing(machine: Machine) -> None:
    machine.run("install", "actionlint")
    seconds: list[float] = []
    for _ in range(3):
        started = time.monotonic()
        assert machine.run("install", "actionlint", PATH="") == (0, "", "")
        seconds.append(time.monotonic() - started)
    assert machine.builds() == ["actionlint"]
    # The contract is 0.2 s; the slack is for a busy machine.
    assert min(seconds) < 0.5


def test_an_entry_serves_every_clone_with_the_same_pins(machine: Machine, tmp_path: Path) -> None:
    machine.run("install", "actionlint")
    clone = tmp_path / "clone"
    clone.mkdir()
    for file in [*TOOLS.glob("*.py"), *TOOLS.glob("*/go.*"), *TOOLS.glob("*/*.go")]:
        target = clone / "tools" / file.relative_to(TOOLS)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    machine.clone = clone
    assert machine.run("install", "actionlint", PATH="") == (0, "", "")
    assert machine.builds() == ["actionlint"]


def test_a_killed_build_leaves_nothing_half_made(machine: Machine) -> None:
    process = machine.start("install", "actionlint", FAKE_GO="slow")
    machine.wait_for_build()
    process.kill()
    process.communicate(timeout=60)
    assert machine.entries() == []
    assert len(machine.leftovers()) == 1

    status, _, errors = machine.run("install", "actionlint")
    assert status == 0
    assert "waiting" not in errors
    assert installed(machine, "actionlint").read_text().startswith("built ")
    assert machine.leftovers() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_is_ended_and_cleaned_up(
    machine: Machine, number: signal.Signals
) -> None:
    process = machine.start("install", "actionlint", FAKE_GO="slow")
    build = machine.wait_for_build()
    process.send_signal(number)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert errors.endswith("interrupted: what was finished is kept, nothing is left half-made\n")
    assert (machine.entries(), machine.leftovers()) == ([], [])
    with pytest.raises(ProcessLookupError):
        os.kill(build, 0)


def test_concurrent_runs_build_once_and_the_second_says_that_it_waits(machine: Machine) -> None:
    first = machine.start("install", "actionlint", FAKE_GO="brief")
    machine.wait_for_build()
    status, _, errors = machine.run("install", "actionlint", FAKE_GO="brief")
    assert (status, errors) == (
        0,
        f"{ACTIONLINT}: waiting for another process that is installing it\n",
    )
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert machine.builds() == ["actionlint"]


def test_a_failing_build_shows_the_end_of_its_output_and_where_the_rest_is(
    machine: Machine,
) -> None:
    status, _, errors = machine.run("install", "actionlint", FAKE_GO="fail")
    assert status == 1
    assert errors.splitlines()[-20:] == [f"error {n}" for n in range(11, 31)]
    (log,) = machine.cache.glob("logs/*")
    assert f"go build of actionlint failed with status 3; the end of {log}:" in errors
    assert log.read_text().startswith("error 1\n")
    assert (machine.entries(), machine.leftovers()) == ([], [])


def without_go(machine: Machine) -> None:
    (machine.path / "go").unlink()


def with_an_old_go(machine: Machine) -> None:
    machine.put("go", GO.replace("go1.99.0", "go1.20.14"))


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [(without_go, "go is not on PATH"), (with_an_old_go, "go 1.20.14 is too old")],
)
def test_a_missing_or_old_go_is_one_sentence_with_the_remedy(
    machine: Machine, spoil: Callable[[Machine], None], fault: str
) -> None:
    spoil(machine)
    status, _, errors = machine.run("install", "actionlint", TOOLS_SOURCES="go")
    assert status == 1
    assert errors.splitlines()[-1] == (
        f"{ACTIONLINT} cannot be installed: {fault}; install Go 1.26.0 or newer from "
        "https://go.dev/dl/ and run the command again"
    )


def test_sources_can_be_restricted(machine: Machine) -> None:
    status, _, errors = machine.run("install", "actionlint", TOOLS_SOURCES="path,release")
    assert status == 1
    assert "building" not in errors
    assert machine.builds() == []


def test_what_no_allowed_source_has_says_which_one_would(machine: Machine) -> None:
    status, _, errors = machine.run("install", "full", TOOLS_SOURCES="path,release")
    keda = f"keda v{named('keda').version}"
    assert status == 1
    assert (
        f"{keda} cannot be installed: it is not to be had from path, release; "
        "allow go in TOOLS_SOURCES"
    ) in errors.splitlines()


def test_an_unknown_source_is_refused_before_anything_is_done(machine: Machine) -> None:
    status, _, errors = machine.run("install", "actionlint", TOOLS_SOURCES="path,brew")
    assert (status, errors) == (
        2,
        "TOOLS_SOURCES: 'brew' is not a source; "
        "set it to one or more of path, release, go, separated by commas\n",
    )
    assert not machine.cache.exists()


def test_an_unknown_group_is_refused(machine: Machine) -> None:
    status, _, errors = machine.run("install", "cores")
    assert status == 2
    assert errors == (
        "cores: there is no such group; the groups are engine, core, full, actionlint\n"
    )


def engine(machine: Machine) -> None:
    machine.put("pulumi", PULUMI)
    for name in ("pulumi-language-python", "pulumi-language-python-exec"):
        machine.put(name, "#!/bin/sh\n")
    schemas = machine.home / "module" / "cmd" / "pulumi-resource-kubernetes"
    schemas.mkdir(parents=True)
    for name in ("schema.json", "terraform-mapping.json"):
        (schemas / name).write_text("{}")
        (schemas / name).chmod(stat.S_IRUSR)  # as the module cache has it


def test_the_provider_is_built_with_its_schemas_and_installed_as_a_plugin(
    machine: Machine,
) -> None:
    engine(machine)
    before = sorted((TOOLS / "kubernetes-provider").iterdir())
    status, _, errors = machine.run("install", "engine")
    assert (status, errors.splitlines()[-1].startswith("made pulumi-home v")) == (0, True)
    provider = installed(machine, "pulumi-resource-kubernetes")
    assert provider.read_text() == "built go.mod go.sum main.go schema.json terraform-mapping.json"
    (plugin,) = machine.cache.glob("entries/pulumi-home-*/plugins/*/pulumi-resource-kubernetes")
    assert plugin.parent.name == f"resource-kubernetes-v{named('kubernetes-provider').version}"
    assert plugin.samefile(provider)
    assert sorted((TOOLS / "kubernetes-provider").iterdir()) == before


def test_env_prints_what_a_shell_needs_and_leaves_the_provider_off_path(machine: Machine) -> None:
    engine(machine)
    machine.run("install", "engine")
    status, output, _ = machine.run("env", "engine")
    path, home = output.splitlines()
    assert status == 0
    assert path == f"export PATH={installed(machine, 'pulumi').parent}:$PATH"
    assert home == f"export PULUMI_HOME={next(machine.cache.glob('entries/pulumi-home-*'))}"


def test_a_failure_keeps_what_was_finished_and_leaves_out_what_needs_it(machine: Machine) -> None:
    engine(machine)
    status, _, errors = machine.run("install", "engine", FAKE_GO="fail")
    assert status == 1
    assert errors.count("go build of") == 1
    assert "pulumi-home" not in errors
    assert [entry.split("-")[0] for entry in machine.entries()] == ["pulumi"]


def test_what_is_missing_names_the_command_that_installs_it(machine: Machine) -> None:
    status, output, errors = machine.run("env", "core")
    assert (status, output) == (1, "")
    assert errors == "control-plane is not installed: run `python3 -m tools install core`\n"
