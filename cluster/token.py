"""Whether the Secret with the Hugging Face token is there."""

from __future__ import annotations

from collections.abc import Iterator

from lightkube import Client
from lightkube.resources.core_v1 import Secret

from cluster.objects import read_object
from planning.plan import Plan


def read_entries(client: Client, namespace: str, name: str) -> tuple[str, ...] | None:
    """Read the names of a Secret's entries; None where there is no such Secret."""
    found = read_object(client, Secret, name, namespace=namespace)
    return None if found is None else tuple(sorted(found.get("data") or {}))


def token_warnings(plan: Plan, entries: tuple[str, ...] | None) -> Iterator[str]:
    """Warn of a Secret that pods would wait for until Pulumi gives up.

    Args:
        plan: with a token of a Secret that exists.
        entries: of that Secret; None where there is none.
    """
    token = plan.token
    if token is None or token.external is not None:
        return
    wait = "the pods wait for it until 'pulumi up' fails"
    if entries is None:
        yield (
            f"huggingFaceTokenSecret.name: there is no Secret '{token.name}' in namespace "
            f"{plan.names.namespace}; {wait}"
        )
    elif token.key not in entries:
        yield (
            f"huggingFaceTokenSecret.key: the Secret '{token.name}' has no entry '{token.key}' "
            f"(it has {', '.join(entries) or 'none'}); {wait}"
        )
