"""The artifacts of the groups `actionlint` and `policies`, which check and deploy nothing."""

from tools.pins import package_version, released_version
from tools.records import Artifact, GoBuild, Platform, Program, PythonArtifact, Release
from tools.release_urls import github

_ACTIONLINT = "github.com/rhysd/actionlint"


def actionlint(target: Platform) -> Artifact:
    """The linter of GitHub workflows."""
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


def checkov() -> PythonArtifact:
    """What finds insecure settings in manifests."""
    version = package_version("checkov", "checkov")
    return PythonArtifact(
        name="checkov",
        group="policies",
        version=version,
        programs=(Program(name="checkov", version=version, version_command=("--version",)),),
        directory="checkov",
        main="checkov.main",
    )


def network_config_analyzer() -> PythonArtifact:
    """What says which pods may talk to one another under NetworkPolicies."""
    directory = "network-config-analyzer"
    version = package_version(directory, directory)
    return PythonArtifact(
        name=directory,
        group="policies",
        version=version,
        programs=(Program(name="nca", version=version),),
        directory=directory,
        main="nca.nca_cli",
    )
