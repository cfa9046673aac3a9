"""Serve a Hugging Face model: read the stack, plan, check the cluster, declare, export."""

import pulumi
import pulumi_kubernetes as kubernetes

from cluster.preflight import inspect
from components import VllmApp, VllmAppArgs
from planning.explain import preview_lines
from planning.facts import model_facts
from planning.gate import check_gate
from planning.outputs import stack_outputs
from planning.stack import PlanError, make_plan
from settings.pulumi_config import ConfigError, read_settings

pulumi.require_pulumi_version(">=3.259.0")
settings, secrets = read_settings()
try:
    model = model_facts(settings.model, revision=settings.revision, token=secrets.look_up_token)
    findings = inspect(make_plan(settings, stack=pulumi.get_stack(), model=model))
    untried = check_gate(settings, model, token=secrets.look_up_token)
except PlanError as error:
    raise ConfigError(error.mistakes) from None
plan = findings.plan
pulumi.log.info("\n".join(preview_lines(plan)))
for warning in (*plan.warnings, *findings.warnings, *untried):
    pulumi.log.warn(warning)

# An empty kubeconfig keeps the path in $KUBECONFIG out of the state (pulumi-kubernetes#3217), and
# the identifier keeps an edited kubeconfig from replacing every object (#4019).
provider = kubernetes.Provider(
    "cluster",
    kubeconfig="",
    context=plan.cluster.context,
    cluster_identifier=plan.cluster.cluster_id,
    render_yaml_to_directory=plan.cluster.render_to,
)
app = VllmAppArgs(plan=plan, secrets=secrets.values)
VllmApp(plan.names.app, app, pulumi.ResourceOptions(provider=provider))
for key, value in stack_outputs(plan).items():
    pulumi.export(key, value)
