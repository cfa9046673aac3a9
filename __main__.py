"""Serve a Hugging Face model: read the stack, plan, check the cluster, declare, wait, export."""

import pulumi

from cluster.end_of_rollout import wait_for_rollout
from cluster.former_route import keep_former_route
from cluster.preflight import inspect
from components import VllmApp, VllmAppArgs, cluster_provider
from planning.explain import preview_lines
from planning.facts import stack_model
from planning.gate import check_gate
from planning.outputs import stack_outputs
from planning.stack import PlanError, make_plan
from settings.pulumi_config import ConfigError, read_settings

pulumi.require_pulumi_version(">=3.259.0")
settings, secrets = read_settings()
try:
    model = stack_model(settings, token=secrets.look_up_token)
    planned = make_plan(settings, stack=pulumi.get_stack(), model=model)
    findings = inspect(planned, is_update=not pulumi.runtime.is_dry_run())
    untried = check_gate(settings, model, token=secrets.look_up_token)
except PlanError as error:
    raise ConfigError(error.mistakes) from None
plan = findings.plan
pulumi.log.info("\n".join(preview_lines(plan)))
for warning in (*plan.warnings, *findings.warnings, *untried):
    pulumi.log.warn(warning)

provider = cluster_provider(plan.cluster)
args = VllmAppArgs(plan=plan, secrets=secrets.values)
app = VllmApp(plan.names.app, args, pulumi.ResourceOptions(provider=provider))
wait_for_rollout(app.server.workload, plan)
keep_former_route(app.ingress_objects, plan)
for key, value in stack_outputs(plan).items():
    pulumi.export(key, value)
