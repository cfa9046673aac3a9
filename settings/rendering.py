"""What a stack that renders manifests may not hold: a Secret would stand in them in clear."""

from __future__ import annotations

from collections.abc import Iterator

from settings.mistakes import Mistake
from settings.models import StackSettings

_INSTEAD = {
    "huggingFaceToken": "name a Secret that exists in huggingFaceTokenSecret",
    "apiKeys": "name a Secret that exists in ingress.auth.secretName",
    "basicAuthUsers": "name a Secret that exists in ingress.auth.secretName",
    "oidcClientSecret": "name a Secret that exists in ingress.auth.secretName",
}


def rendering_mistakes(settings: StackSettings, secrets: frozenset[str]) -> Iterator[Mistake]:
    """Find secrets that rendered manifests would hold in clear.

    Args:
        settings: what was parsed.
        secrets: the secret keys that are set.
    """
    if settings.kubernetes.render_to is None:
        return
    rule = "kubernetes.renderTo writes every object into a file, Secrets in clear"
    for key in sorted(secrets & _INSTEAD.keys()):
        yield Mistake(key=key, wrong="is set", rule=rule, remedy=_INSTEAD[key])
    auth = settings.ingress.auth
    if auth.kind == "apiKey" and auth.secret_name is None and "apiKeys" not in secrets:
        yield Mistake(
            key="ingress.auth",
            wrong="apiKey makes a key",
            rule=rule,
            remedy="name a Secret that exists in ingress.auth.secretName",
        )
    if auth.kind == "oidc" and settings.ingress.enabled:
        yield Mistake(
            key="ingress.auth",
            wrong="oidc makes the Secret without which oauth2-proxy does not start",
            rule=rule,
            remedy="set it to middleware, for one that exists, or use kubernetes.context",
        )
