"""Every artifact, by group and by name."""

from functools import cache

from tools import checks, cluster_programs, engine, manifest_files, programs_for_tests
from tools.records import Artifact, Platform, this_platform

GROUPS = ("engine", "core", "full", "tests", "actionlint", "policies")


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
        checks.actionlint(target),
        checks.checkov(),
        checks.network_config_analyzer(),
    )


def in_groups(groups: tuple[str, ...]) -> tuple[Artifact, ...]:
    """Pick what the command line names.

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
