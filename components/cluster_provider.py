"""The provider of the cluster that the plan names."""

from __future__ import annotations

import pulumi_kubernetes as kubernetes

from planning.plan import Cluster


def cluster_provider(cluster: Cluster) -> kubernetes.Provider:
    """Declare the provider of a kubeconfig context, or of a directory for manifests.

    An empty kubeconfig keeps the path in $KUBECONFIG out of the state (pulumi-kubernetes#3217), and
    the identifier keeps an edited kubeconfig from replacing every object (#4019).
    """
    return kubernetes.Provider(
        "cluster",
        kubeconfig="",
        context=cluster.context,
        cluster_identifier=cluster.cluster_id,
        render_yaml_to_directory=cluster.render_to,
    )
