"""The app's NetworkPolicies."""

from __future__ import annotations

from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs
from pulumi_kubernetes.networking.v1 import (
    IPBlockArgs,
    NetworkPolicyEgressRuleArgs,
    NetworkPolicyIngressRuleArgs,
    NetworkPolicyInitArgs,
    NetworkPolicyPeerArgs,
    NetworkPolicyPortArgs,
    NetworkPolicySpecArgs,
)

from manifests.metadata import object_labels
from planning.names import app_selector, selector
from planning.network_rules import Peer, Policy, Port
from planning.plan import Plan

NAMESPACE_LABEL = "kubernetes.io/metadata.name"
"""The label that the API server itself gives to every namespace, with its name."""


def network_policy_args(plan: Plan, policy: Policy) -> NetworkPolicyInitArgs:
    """Build one policy, which selects the pods of its component in the app's namespace."""
    names = plan.names
    selected = selector(names, policy.component) if policy.component else app_selector(names)
    return NetworkPolicyInitArgs(
        metadata=ObjectMetaArgs(
            name=names.network_policy(policy.role),
            namespace=names.namespace,
            labels=object_labels(plan, "network-policy"),
        ),
        spec=NetworkPolicySpecArgs(
            pod_selector=LabelSelectorArgs(match_labels=selected),
            # Both, so that what no rule opens is closed.
            policy_types=["Ingress", "Egress"],
            ingress=[
                NetworkPolicyIngressRuleArgs(
                    from_=_peers(rule.peers) or None, ports=_ports(rule.ports) or None
                )
                for rule in policy.ingress
            ]
            or None,
            egress=[
                NetworkPolicyEgressRuleArgs(
                    to=_peers(rule.peers) or None, ports=_ports(rule.ports) or None
                )
                for rule in policy.egress
            ]
            or None,
        ),
    )


def _ports(ports: tuple[Port, ...]) -> list[NetworkPolicyPortArgs]:
    return [NetworkPolicyPortArgs(port=port.number, protocol=port.protocol) for port in ports]


def _peers(peers: tuple[Peer, ...]) -> list[NetworkPolicyPeerArgs]:
    return [_peer(peer) for peer in peers]


def _peer(peer: Peer) -> NetworkPolicyPeerArgs:
    if peer.cidr is not None:
        return NetworkPolicyPeerArgs(ip_block=IPBlockArgs(cidr=peer.cidr))
    namespace = {NAMESPACE_LABEL: peer.namespace} if peer.namespace else None
    pods = dict(peer.pod_labels) or None
    return NetworkPolicyPeerArgs(
        namespace_selector=LabelSelectorArgs(match_labels=namespace) if namespace else None,
        pod_selector=LabelSelectorArgs(match_labels=pods) if pods else None,
    )
