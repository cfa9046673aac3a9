"""The artifacts of the group `engine`."""

from tools.pins import released_version
from tools.records import Artifact, GoBuild, ModuleFile, Platform, Plugin, Program, Release
from tools.release_urls import github, github_digests

_CLI = "github.com/pulumi/pulumi/pkg/v3"
_SDK = "github.com/pulumi/pulumi/sdk/v3"
_PROVIDER = "github.com/pulumi/pulumi-kubernetes/provider/v4"


def pulumi(target: Platform) -> Artifact:
    """The command line and, beside it, the Python language host."""
    version = released_version("pulumi", _CLI)
    arch = {"amd64": "x64", "arm64": "arm64"}[target.arch]
    archive = f"pulumi-v{version}-{target.os}-{arch}.tar.gz"
    host = ("pulumi-language-python", "pulumi-language-python-exec")
    return Artifact(
        name="pulumi",
        group="engine",
        version=version,
        programs=(
            Program(
                name="pulumi",
                version=version,
                version_command=("version",),
                minimum=True,
                beside=host,
            ),
        ),
        releases=(
            Release(
                url=github("pulumi/pulumi", version, archive),
                checksums=github("pulumi/pulumi", version, f"pulumi-{version}-checksums.txt"),
                # The Python language host and the policy analyzer; no other language is used.
                members=("pulumi", "pulumi-*python*"),
            ),
        ),
        builds=_pulumi_builds(version),
        scripts=(
            ModuleFile(module="pulumi", path=_SDK, file="python/cmd/pulumi-language-python-exec"),
        ),
    )


def _pulumi_builds(version: str) -> tuple[GoBuild, ...]:
    return (
        GoBuild(
            program="pulumi",
            module="pulumi",
            package=f"{_CLI}/cmd/pulumi",
            version=version,
            seconds=173,
            variables=((f"{_SDK}/go/common/version.Version", f"v{version}"),),
        ),
        GoBuild(
            program="pulumi-language-python",
            module="language-python",
            package=f"{_SDK}/python/cmd/pulumi-language-python",
            version=released_version("language-python", _SDK),
            seconds=13,
        ),
    )


def kubernetes_provider(target: Platform) -> Artifact:
    """The resource provider; it has no version command, so PATH is not asked."""
    version = released_version("kubernetes-provider", _PROVIDER)
    program = "pulumi-resource-kubernetes"
    archive = f"{program}-v{version}-{target.os}-{target.arch}.tar.gz"
    return Artifact(
        name="kubernetes-provider",
        group="engine",
        version=version,
        programs=(Program(name=program, version=version),),
        releases=(
            Release(
                url=github("pulumi/pulumi-kubernetes", version, archive),
                checksums=github_digests("pulumi/pulumi-kubernetes", version),
                members=(program,),
            ),
        ),
        builds=(
            GoBuild(
                program=program,
                module="kubernetes-provider",
                package=".",
                version=version,
                seconds=394,
                variables=((f"{_PROVIDER}/pkg/version.Version", version),),
                sources=tuple(
                    ModuleFile(
                        module="kubernetes-provider", path=_PROVIDER, file=f"cmd/{program}/{file}"
                    )
                    for file in ("schema.json", "terraform-mapping.json")
                ),
            ),
        ),
    )


def pulumi_home(provider: Artifact) -> Artifact:
    """A PULUMI_HOME in which the provider is installed as a plugin."""
    return Artifact(
        name="pulumi-home",
        group="engine",
        version=provider.version,
        plugin=Plugin(
            name="kubernetes", version=provider.version, program=provider.programs[0].name
        ),
        needs=("pulumi", provider.name),
    )
