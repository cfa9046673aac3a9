"""The artifacts of the group `tests`: what loads, measures and guards servers in tests."""

from tools.pins import released_version
from tools.records import Artifact, GoBuild, Platform, Program, Release
from tools.release_urls import github, github_digests

_OAUTH2_PROXY = "github.com/oauth2-proxy/oauth2-proxy/v7"
_PROMETHEUS = "github.com/prometheus/prometheus"
_VEGETA = "github.com/tsenart/vegeta/v12"


def vegeta(target: Platform) -> Artifact:
    """The load generator with a constant rate."""
    version = released_version("vegeta", _VEGETA)
    archive = f"vegeta_{version}_{target.os}_{target.arch}.tar.gz"
    return Artifact(
        name="vegeta",
        group="tests",
        version=version,
        programs=(Program(name="vegeta", version=version, version_command=("-version",)),),
        releases=(
            Release(
                url=github("tsenart/vegeta", version, archive),
                checksums=github_digests("tsenart/vegeta", version),
                members=("vegeta",),
            ),
        ),
        builds=(
            GoBuild(
                program="vegeta",
                module="vegeta",
                package=_VEGETA,
                version=version,
                seconds=15,
                variables=(("main.Version", version),),
            ),
        ),
    )


def prometheus(target: Platform) -> Artifact:
    """The metrics server; the one that Debian 12 packages will do."""
    version = prometheus_release(released_version("prometheus", _PROMETHEUS))
    archive = f"prometheus-{version}.{target.os}-{target.arch}.tar.gz"
    return Artifact(
        name="prometheus",
        group="tests",
        version=version,
        programs=(
            Program(
                name="prometheus",
                version=version,
                version_command=("--version",),
                oldest="2.40.0",
            ),
        ),
        releases=(
            Release(
                url=github("prometheus/prometheus", version, archive),
                checksums=github("prometheus/prometheus", version, "sha256sums.txt"),
                members=("prometheus",),
            ),
        ),
        builds=(
            GoBuild(
                program="prometheus",
                module="prometheus",
                package=f"{_PROMETHEUS}/cmd/prometheus",
                version=version,
                seconds=120,
                variables=(("github.com/prometheus/common/version.Version", version),),
                # The clients of all clouds would be most of the build, and none is met here.
                tags=("remove_all_sd", "enable_kubernetes_sd"),
            ),
        ),
    )


def prometheus_release(module: str) -> str:
    """Version under which a version of the Go module is released: 0.313.2 is 3.13.2.

    Source: https://github.com/prometheus/prometheus#prometheus-code-base.
    """
    _, number, patch = module.split(".")
    major, minor = divmod(int(number), 100)
    return f"{major}.{minor}.{patch}"


def oauth2_proxy(target: Platform) -> Artifact:
    """The login in front of an ingress, as a process; a cluster runs its image."""
    version = released_version("oauth2-proxy", _OAUTH2_PROXY)
    archive = f"oauth2-proxy-v{version}.{target.os}-{target.arch}.tar.gz"
    return Artifact(
        name="oauth2-proxy",
        group="tests",
        version=version,
        programs=(Program(name="oauth2-proxy", version=version, version_command=("--version",)),),
        releases=(
            Release(
                url=github("oauth2-proxy/oauth2-proxy", version, archive),
                checksums=github("oauth2-proxy/oauth2-proxy", version, f"{archive}-sha256sum.txt"),
                members=("oauth2-proxy",),
            ),
        ),
        builds=(
            GoBuild(
                program="oauth2-proxy",
                module="oauth2-proxy",
                package=_OAUTH2_PROXY,
                version=version,
                seconds=42,
                variables=((f"{_OAUTH2_PROXY}/pkg/version.VERSION", f"v{version}"),),
            ),
        ),
    )
