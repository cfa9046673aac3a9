"""The Job that fills the model cache before the server starts."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.batch.v1 import Job
from pulumi_kubernetes.core.v1 import ConfigMap

from manifests.download import job_args, program_args
from manifests.pod import Token
from planning.download import Download
from planning.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDownloadArgs:
    """The plan of the download, the token of a gated model, and what must exist before."""

    plan: Plan
    download: Download
    token: Token | None
    after: tuple[pulumi.Resource, ...] = ()


class ModelDownload(pulumi.ComponentResource):
    """A Job on the model's volume; the server waits until it has completed."""

    job: Job
    """The Job."""

    def __init__(
        self, name: str, args: ModelDownloadArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        plan, download = args.plan, args.download
        shown = {"model": plan.model.id, "revision": plan.model.revision}
        super().__init__("llm:index:ModelDownload", name, shown, opts)
        program = program_args(plan)
        config = ConfigMap(
            f"{name}-program",
            metadata=program.metadata,
            data=program.data,
            immutable=program.immutable,
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.after)),
        )
        job = job_args(
            plan,
            download,
            token=args.token,
            program=config.metadata.apply(lambda metadata: str(metadata.name)),
        )
        limit = f"{download.deadline_seconds}s"
        # Named by what it fetches: for another revision there is a new Job before the old one goes.
        self.job = Job(
            download.name,
            metadata=job.metadata,
            spec=job.spec,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=list(args.after),
                custom_timeouts=pulumi.CustomTimeouts(create=limit, update=limit),
            ),
        )
        self.register_outputs(shown)
