"""Says which claims a destroyed stack still holds; reads what `pulumi stack export` prints."""

import json
import sys
from collections.abc import Iterator
from typing import Any

_CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"


def kept_claims(state: dict[str, Any]) -> Iterator[str]:
    """Say of each protected claim in an exported state how it is taken over or deleted."""
    for resource in state["deployment"].get("resources", ()):
        if resource["type"] == _CLAIM and resource.get("protect"):
            metadata: dict[str, Any] = resource["outputs"]["metadata"]
            name, namespace = metadata["name"], metadata["namespace"]
            yield (
                f"The claim '{name}' in namespace {namespace} stays with the model's files; this "
                "stack goes on with it, and another one takes it over with 'pulumi config set "
                "--path cache.adopt true'.\n"
                "To delete it, run 'pulumi state unprotect --all', 'pulumi destroy' and 'kubectl "
                f"delete pvc {name} --namespace {namespace}'."
            )


if __name__ == "__main__":
    for sentence in kept_claims(json.load(sys.stdin)):
        print(sentence, file=sys.stderr)
