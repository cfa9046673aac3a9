"""What an artifact is: where its programs can come from, and how they are built."""

import platform
import sys
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Platform:
    """Operating system and processor, in Go's spelling."""

    os: str
    arch: str


@dataclass(frozen=True, kw_only=True)
class Program:
    """An executable, and when one found on PATH is suitable.

    `version_command` holds the arguments that make it print its version; without them it is never
    taken from PATH. `minimum` accepts a later version of the same major, `oldest` every version
    from that on. `beside` names programs that must lie in the directory of the real file.
    """

    name: str
    version: str
    version_command: tuple[str, ...] = ()
    minimum: bool = False
    oldest: str = ""
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Release:
    """A released file and the file that states its SHA-256.

    `members` are patterns of the base names to take out of an archive; without them the file is
    itself the executable `program`.
    """

    url: str
    checksums: str
    program: str = ""
    members: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ModuleFile:
    """A file of a Go module, with the version that `tools/<module>/go.mod` requires."""

    module: str
    path: str
    file: str


@dataclass(frozen=True, kw_only=True)
class GoBuild:
    """A `go build` in a copy of `tools/<module>`.

    `variables` are string variables set by the linker, `sources` files copied into the module
    before the build, `links` further names of the program, `tags` build constraints that hold,
    `seconds` the time of a cold build on 2 cores (measured on 2026-11-23), which orders builds and
    is shown to the user.
    """

    program: str
    module: str
    package: str
    version: str
    seconds: int
    variables: tuple[tuple[str, str], ...] = ()
    sources: tuple[ModuleFile, ...] = ()
    links: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A file of Kubernetes objects made from a Go module: a kustomization, or files joined."""

    name: str
    module: str
    path: str
    kustomization: str = ""
    files: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A Pulumi resource plugin to install into a PULUMI_HOME of its own."""

    name: str
    version: str
    program: str


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A unit that is installed whole and from one source; `needs` names those installed before."""

    name: str
    group: str
    version: str
    programs: tuple[Program, ...] = ()
    releases: tuple[Release, ...] = ()
    builds: tuple[GoBuild, ...] = ()
    scripts: tuple[ModuleFile, ...] = ()
    manifests: tuple[Manifest, ...] = ()
    plugin: Plugin | None = None
    needs: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Name and version as shown to the user."""
        return f"{self.name} v{self.version}"

    @property
    def seconds(self) -> int:
        """Time of a cold build on 2 cores, in seconds."""
        return sum(build.seconds for build in self.builds)


@dataclass(frozen=True, kw_only=True)
class PythonArtifact(Artifact):
    """A Python package in a virtual environment of its own, so that it shares no pins with ours.

    `tools/<directory>/requirements.txt` pins it; its only program runs the module `main` of it.
    """

    directory: str
    main: str


def this_platform() -> Platform:
    """Platform of this machine.

    Raises:
        NotImplementedError: it is neither Linux nor macOS, or neither amd64 nor arm64.
    """
    arch = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
    machine = platform.machine().lower()
    if sys.platform not in {"linux", "darwin"} or machine not in arch:
        raise NotImplementedError(
            f"{sys.platform}/{machine} is not supported: use Linux or macOS on amd64 or arm64"
        )
    return Platform(os=sys.platform, arch=arch[machine])
