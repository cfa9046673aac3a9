"""What the cluster must serve for the authentication and for a token of a secret store."""

from __future__ import annotations

from lightkube import Client

from cluster.observed import serves
from planning.auth import ApiKeyAuth, NoAuth
from planning.plan import Plan
from settings.mistakes import Mistake

_MIDDLEWARES = "middlewares.traefik.io"
_EXTERNAL_SECRETS = "externalsecrets.external-secrets.io"


def authentication_mistakes(plan: Plan, client: Client) -> list[Mistake]:
    """Refuse objects that the cluster does not know."""
    return [
        missing_definition(definition)
        for definition in needed_definitions(plan)
        if not serves(client, definition)
    ]


def needed_definitions(plan: Plan) -> tuple[str, ...]:
    """Name the CustomResourceDefinitions that authentication and token need."""
    at_the_way_in = not isinstance(plan.auth, NoAuth | ApiKeyAuth)
    external = plan.token is not None and plan.token.external is not None
    return ((_MIDDLEWARES,) if at_the_way_in else ()) + ((_EXTERNAL_SECRETS,) if external else ())


def missing_definition(definition: str) -> Mistake:
    """Say what is missing, and what works without it."""
    if definition == _MIDDLEWARES:
        return Mistake(
            key="ingress.auth",
            wrong=f"is set, and the cluster does not serve {definition}",
            rule="every kind but apiKey is a Middleware of Traefik",
            remedy="install Traefik with its definitions (Helm chart traefik/traefik), or set "
            "ingress.auth to apiKey",
        )
    return Mistake(
        key="huggingFaceTokenExternal",
        wrong=f"is set, and the cluster does not serve {definition}",
        rule="the External Secrets Operator copies the token",
        remedy="install it (Helm chart external-secrets/external-secrets), or name a Secret in "
        "huggingFaceTokenSecret",
    )
