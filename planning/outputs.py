"""The stack's outputs, contract version 1: names and types that other stacks rely on, no secret."""

from __future__ import annotations

from planning.names import PORT
from planning.plan import Plan

CONTRACT_VERSION = 1


def stack_outputs(plan: Plan) -> dict[str, str | int | float]:
    """Give every output of the plan; all of them are known at preview.

    Addresses from outside are absent without an ingress, and the chat address for a model that
    cannot chat: a consumer that requires one fails instead of calling a wrong address.
    """
    internal = f"http://{plan.names.service_host}:{PORT}"
    outputs: dict[str, str | int | float] = {
        "contractVersion": CONTRACT_VERSION,
        "internalUrl": internal,
        "model": plan.model.id,
        "servedModelName": plan.model.served_name,
        "revision": plan.model.revision,
        "contextLength": plan.model.context_length,
        "preset": plan.placement.preset,
        "gpus": plan.placement.gpus * plan.placement.nodes,
        "hourlyPrice": plan.placement.hourly_price,
        "namespace": plan.names.namespace,
        "serviceName": plan.names.server,
        "cachePath": plan.cache.path,
    }
    if plan.ingress is None:
        return outputs
    host = plan.ingress.url
    outputs |= {"appHost": host, "apiBaseUrl": f"{host}/v1", "authType": plan.ingress.auth_type}
    if plan.model.chat:
        outputs["chatCompletionsUrl"] = f"{host}/v1/chat/completions"
    return outputs
