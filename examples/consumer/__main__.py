"""Deploy a chat client against a model of another stack, known only by its outputs."""

from functools import partial
from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes
from client import LABELS, deployment_spec, environment
from contract import read_contract
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

config = pulumi.Config()
producer, context = config.require("producer"), config.require("context")
reference = pulumi.StackReference(producer)
contract = reference.outputs.apply(partial(read_contract, producer))
own_namespace, own_secret = config.get("namespace"), config.get("apiKeySecretName")
namespace = contract.apply(lambda known: own_namespace or known.namespace)
variables = contract.apply(
    lambda known: environment(known, own_namespace or known.namespace, own_secret)
)

provider = kubernetes.Provider(
    "cluster", kubeconfig="", context=context, cluster_identifier=context
)
options = pulumi.ResourceOptions(provider=provider)
program = kubernetes.core.v1.ConfigMap(
    "chat",
    metadata=ObjectMetaArgs(namespace=namespace, labels=LABELS),
    data={"chat.py": (Path(__file__).parent.parent / "chat.py").read_text(encoding="utf-8")},
    immutable=True,
    opts=options,
)
deployment = kubernetes.apps.v1.Deployment(
    "chat",
    metadata=ObjectMetaArgs(name="chat", namespace=namespace, labels=LABELS),
    spec=deployment_spec(variables, program),
    opts=options,
)
pulumi.export(
    "command",
    pulumi.Output.format(
        "kubectl --context {0} exec --namespace {1} deployment/chat -- "
        'python /client/chat.py "Why is the sky blue?" --stream',
        context,
        namespace,
    ),
)
