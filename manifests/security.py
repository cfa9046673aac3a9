"""A container's part of the restricted Pod Security Standard."""

from __future__ import annotations

from pulumi_kubernetes.core.v1 import CapabilitiesArgs, SecurityContextArgs


def container_security_args() -> SecurityContextArgs:
    """Build the security context of every container of the app."""
    return SecurityContextArgs(
        allow_privilege_escalation=False,
        capabilities=CapabilitiesArgs(drop=["ALL"]),
        read_only_root_filesystem=True,
    )
