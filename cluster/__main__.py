"""`python -m cluster diagnose`: print why an app's pods do not run."""

from __future__ import annotations

import argparse
import sys

import httpx2
from lightkube.core.exceptions import ApiError, ConfigError

from cluster.client import ClusterUnreachableError, connect, reason
from cluster.diagnosis import diagnose


def main() -> int:
    """Run the command line; the exit code is 1 where the cluster gives no answer."""
    parser = argparse.ArgumentParser(prog="python -m cluster", description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("diagnose", help="explain the state of the app's pods")
    command.add_argument("--context", required=True, help="kubeconfig context")
    command.add_argument("--namespace", required=True)
    command.add_argument("--app", required=True, help="the stack's `name`")
    asked = parser.parse_args()
    try:
        with connect(asked.context) as client:
            print("\n".join(diagnose(client, namespace=asked.namespace, app=asked.app)))
    except (ApiError, ConfigError, ClusterUnreachableError, httpx2.TransportError) as error:
        print(f"cannot diagnose: {reason(error)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
