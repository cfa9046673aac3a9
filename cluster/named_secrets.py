"""Whether the Secrets that the stack config names are there."""

from __future__ import annotations

from collections.abc import Iterator

from lightkube import Client
from lightkube.resources.core_v1 import Secret

from cluster.objects import read_object
from planning.named_secrets import NamedSecret


def read_entries(client: Client, namespace: str, name: str) -> tuple[str, ...] | None:
    """Read the names of a Secret's entries; None where there is no such Secret."""
    found = read_object(client, Secret, name, namespace=namespace)
    return None if found is None else tuple(sorted(found.get("data") or {}))


def secret_warnings(
    named: NamedSecret, namespace: str, entries: tuple[str, ...] | None
) -> Iterator[str]:
    """Warn of a Secret that is not there, or lacks what is read of it.

    Args:
        named: the Secret.
        namespace: of the app.
        entries: of that Secret; None where there is none.
    """
    if entries is None:
        yield (
            f"{named.key}: there is no Secret '{named.name}' in namespace {namespace}; "
            f"{named.consequence}"
        )
        return
    for key, entry in named.entries:
        if entry not in entries:
            yield (
                f"{key}: the Secret '{named.name}' has no entry '{entry}' "
                f"(it has {', '.join(entries) or 'none'}); {named.consequence}"
            )
