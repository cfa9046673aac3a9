"""The artifacts of the groups `core` and `full`."""

from tools.pins import released_version
from tools.records import Artifact, GoBuild, Platform, Program, Release
from tools.release_urls import github, github_digests

KUBERNETES = "k8s.io/kubernetes"
_ETCD = "go.etcd.io/etcd/server/v3"
KWOK = "sigs.k8s.io/kwok"
KEDA = "github.com/kedacore/keda/v2"
HTTP_ADD_ON = "github.com/kedacore/http-add-on"
TRAEFIK = "github.com/traefik/traefik/v3"
LEADER_WORKER_SET = "sigs.k8s.io/lws"


def control_plane(target: Platform) -> Artifact:
    """The API server, its companions and etcd: built from Go, they are one binary."""
    version = released_version("cluster", KUBERNETES)
    etcd = released_version("cluster", _ETCD)
    names = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
    commands = {"kubectl": ("version", "--client")}
    return Artifact(
        name="control-plane",
        group="core",
        version=version,
        programs=(
            Program(name="etcd", version=etcd, version_command=("--version",)),
            *(
                Program(
                    name=name,
                    version=version,
                    version_command=commands.get(name, ("--version",)),
                )
                for name in names
            ),
        ),
        releases=_control_plane_releases(target, version, etcd, names),
        builds=(_control_plane_build(version, ("etcd", *names)),),
    )


def _control_plane_build(version: str, links: tuple[str, ...]) -> GoBuild:
    base = "k8s.io/component-base/version"
    major, minor, _ = version.split(".")
    return GoBuild(
        program="kubecp",
        module="cluster",
        package="./kubecp",
        version=version,
        seconds=210,
        variables=(
            (f"{base}.gitVersion", f"v{version}"),
            (f"{base}.gitMajor", major),
            (f"{base}.gitMinor", minor),
            (f"{base}.gitTreeState", "archive"),
            ("k8s.io/client-go/pkg/version.gitVersion", f"v{version}"),
        ),
        links=links,
    )


def _control_plane_releases(
    target: Platform, version: str, etcd: str, names: tuple[str, ...]
) -> tuple[Release, ...]:
    if target.os != "linux":  # Kubernetes releases its servers for Linux only.
        return ()
    kubernetes = f"https://dl.k8s.io/release/v{version}/bin/{target.os}/{target.arch}"
    archive = f"etcd-v{etcd}-{target.os}-{target.arch}.tar.gz"
    return (
        Release(
            url=github("etcd-io/etcd", etcd, archive),
            checksums=github("etcd-io/etcd", etcd, "SHA256SUMS"),
            members=("etcd",),
        ),
        *(
            Release(
                url=f"{kubernetes}/{name}",
                checksums=f"{kubernetes}/{name}.sha256",
                program=name,
            )
            for name in names
        ),
    )


def kwok(target: Platform) -> Artifact:
    """The simulator of nodes."""
    version = released_version("cluster", KWOK)
    return Artifact(
        name="kwok",
        group="core",
        version=version,
        programs=(Program(name="kwok", version=version, version_command=("--version",)),),
        releases=(
            Release(
                url=github("kubernetes-sigs/kwok", version, f"kwok-{target.os}-{target.arch}"),
                checksums=github_digests("kubernetes-sigs/kwok", version),
                program="kwok",
            ),
        ),
        builds=(
            GoBuild(
                program="kwok",
                module="cluster",
                package=f"{KWOK}/cmd/kwok",
                version=version,
                seconds=10,
            ),
        ),
    )


def keda() -> Artifact:
    """The autoscaler; released as images only."""
    version = released_version("cluster", KEDA)
    parts = {"operator": 208, "adapter": 14, "webhooks": 4}
    return Artifact(
        name="keda",
        group="full",
        version=version,
        programs=tuple(Program(name=f"keda-{part}", version=version) for part in parts),
        builds=tuple(
            GoBuild(
                program=f"keda-{part}",
                module="cluster",
                package=f"{KEDA}/cmd/{part}",
                version=version,
                seconds=seconds,
                variables=((f"{KEDA}/version.Version", version),),
            )
            for part, seconds in parts.items()
        ),
    )


def http_add_on() -> Artifact:
    """The part of KEDA that scales on requests; released as images only."""
    version = released_version("cluster", HTTP_ADD_ON)
    parts = {"operator": 7, "scaler": 5, "interceptor": 4}
    return Artifact(
        name="http-add-on",
        group="full",
        version=version,
        programs=tuple(Program(name=f"http-add-on-{part}", version=version) for part in parts),
        builds=tuple(
            GoBuild(
                program=f"http-add-on-{part}",
                module="cluster",
                package=f"{HTTP_ADD_ON}/{part}",
                version=version,
                seconds=seconds,
            )
            for part, seconds in parts.items()
        ),
    )


def traefik(target: Platform) -> Artifact:
    """The ingress controller."""
    version = released_version("traefik", TRAEFIK)
    archive = f"traefik_v{version}_{target.os}_{target.arch}.tar.gz"
    return Artifact(
        name="traefik",
        group="full",
        version=version,
        programs=(Program(name="traefik", version=version, version_command=("version",)),),
        releases=(
            Release(
                url=github("traefik/traefik", version, archive),
                checksums=github("traefik/traefik", version, f"traefik_v{version}_checksums.txt"),
                members=("traefik",),
            ),
        ),
        builds=(
            GoBuild(
                program="traefik",
                module="traefik",
                package=f"{TRAEFIK}/cmd/traefik",
                version=version,
                seconds=317,
                variables=((f"{TRAEFIK}/pkg/version.Version", version),),
            ),
        ),
    )


def leader_worker_set() -> Artifact:
    """The operator of groups of pods over several nodes; released as images only."""
    version = released_version("leaderworkerset", LEADER_WORKER_SET)
    return Artifact(
        name="leaderworkerset",
        group="full",
        version=version,
        programs=(Program(name="lws", version=version),),
        builds=(
            GoBuild(
                program="lws",
                module="leaderworkerset",
                package=f"{LEADER_WORKER_SET}/cmd",
                version=version,
                seconds=90,
                variables=((f"{LEADER_WORKER_SET}/pkg/version.GitVersion", f"v{version}"),),
            ),
        ),
    )
