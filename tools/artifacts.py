"""Every artifact, by group and by name."""

from functools import cache

from tools import cluster_programs, engine, manifest_files, programs_for_tests
from tools.pins import released_version
from tools.records import Artifact, GoBuild, Platform, Program, Release, this_platform
from tools.release_urls import github

GROUPS = ("engine", "core", "full", "tests", "actionlint")

_ACTIONLINT = "github.com/rhysd/actionlint"


@cache
def all_artifacts(target: Platform | None = None) -> tuple[Artifact, ...]:
    """Every artifact for the platform, this machine's by default.

    Raises:
        NotImplementedError: the machine's platform is not supported.
    """
    target = target or this_platform()
    pulumi = engine.pulumi(target)
    provider = engine.kubernetes_provider(target)
    control_plane = cluster_programs.control_plane(target)
    return (
        pulumi,
        provider,
        engine.pulumi_home(provider),
        control_plane,
        cluster_programs.kwok(target),
        manifest_files.manifests(),
        cluster_programs.keda(),
        cluster_programs.http_add_on(),
        cluster_programs.traefik(target),
        cluster_programs.leader_worker_set(),
        programs_for_tests.vegeta(target),
        programs_for_tests.prometheus(target),
        programs_for_tests.oauth2_proxy(target),
        _actionlint(target),
    )


def in_groups(groups: tuple[str, ...]) -> tuple[Artifact, ...]:
    """Artifacts of the groups.

    Raises:
        ValueError: there is no such group.
    """
    for group in groups:
        if group not in GROUPS:
            raise ValueError(f"{group}: there is no such group; the groups are {', '.join(GROUPS)}")
    return tuple(artifact for artifact in all_artifacts() if artifact.group in groups)


def named(name: str) -> Artifact:
    """The artifact of that name.

    Raises:
        KeyError: there is none.
    """
    for artifact in all_artifacts():
        if artifact.name == name:
            return artifact
    raise KeyError(name)


def _actionlint(target: Platform) -> Artifact:
    version = released_version("actionlint", _ACTIONLINT)
    archive = f"actionlint_{version}_{target.os}_{target.arch}.tar.gz"
    return Artifact(
        name="actionlint",
        group="actionlint",
        version=version,
        programs=(Program(name="actionlint", version=version, version_command=("-version",)),),
        releases=(
            Release(
                url=github("rhysd/actionlint", version, archive),
                checksums=github(
                    "rhysd/actionlint", version, f"actionlint_{version}_checksums.txt"
                ),
                members=("actionlint",),
            ),
        ),
        builds=(
            GoBuild(
                program="actionlint",
                module="actionlint",
                package=f"{_ACTIONLINT}/cmd/actionlint",
                version=version,
                seconds=20,
                variables=((f"{_ACTIONLINT}.version", version),),
            ),
        ),
    )
