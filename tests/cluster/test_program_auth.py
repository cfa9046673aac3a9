"""Every kind of authentication on the sandbox: what it makes, and where no secret of it stands."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.cluster.sandboxes import Sandbox
from tests.pulumi_project import STACK, PulumiProject, clear_spellings, files_that_hold

pytestmark = pytest.mark.cluster

NAMESPACE = "llm-auth"
TOKEN = "hf_NotARealTokenButLongEnough"
API_KEYS = ("not-a-real-key-but-long-enough", "another-key-that-is-not-real")
PASSWORD_HASH = "$2y$05$notARealHashButOfTheRightShape"
CLIENT_SECRET = "not-a-real-client-secret"
STACK_FILE = f"""\
config:
  mistral-vllm:model: mistral-7b-instruct
  mistral-vllm:preset: nvidia-l4-1
  mistral-vllm:presets: presets/sandbox.yaml
  mistral-vllm:kubernetes: {{context: mistral-vllm-sandbox}}
  mistral-vllm:namespace: {{name: {NAMESPACE}}}
  mistral-vllm:ingress: {{host: "auth.localhost"}}
  mistral-vllm:cache: {{storage: none}}
"""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A value of `ingress.auth`, the secrets beside it, and what the stack makes for it."""

    auth: dict[str, Any]
    secrets: dict[str, str] = field(default_factory=dict[str, str])
    made: frozenset[str] = frozenset()
    middleware: str | None = None
    """What the ingress names, as Traefik calls it."""

    held: tuple[str, ...] = ()
    """Texts that stand in a Secret and nowhere else."""


MIDDLEWARE = "Middleware/vllm-authentication"
OWN = f"{NAMESPACE}-vllm-authentication@kubernetescrd"
ROUTER_MIDDLEWARES = "traefik.ingress.kubernetes.io/router.middlewares"
KINDS = {
    "none": Kind(auth={"kind": "none"}),
    "generated key": Kind(auth={"kind": "apiKey"}, made=frozenset({"Secret/vllm-api-key"})),
    "given keys": Kind(
        auth={"kind": "apiKey"},
        secrets={"apiKeys": "\n".join(API_KEYS)},
        made=frozenset({"Secret/vllm-api-key"}),
        held=API_KEYS,
    ),
    "basic": Kind(
        auth={"kind": "basic"},
        secrets={"basicAuthUsers": f"someone:{PASSWORD_HASH}"},
        made=frozenset({MIDDLEWARE}),
        middleware=OWN,
        held=(PASSWORD_HASH,),
    ),
    "forwardAuth": Kind(
        auth={"kind": "forwardAuth", "address": "https://login.example.com/verify"},
        made=frozenset({MIDDLEWARE}),
        middleware=OWN,
    ),
    "middleware": Kind(
        auth={"kind": "middleware", "middlewares": [{"name": "login"}]},
        middleware=f"{NAMESPACE}-login@kubernetescrd",
    ),
    "oidc": Kind(
        auth={"kind": "oidc", "issuer": "https://issuer.example.com", "clientId": "vllm"},
        secrets={"oidcClientSecret": CLIENT_SECRET},
        made=frozenset(
            {
                "Deployment/vllm-authentication",
                "Service/vllm-authentication",
                MIDDLEWARE,
            }
        ),
        middleware=OWN,
        held=(CLIENT_SECRET,),
    ),
}
OWNED = frozenset[str]().union(*(kind.made for kind in KINDS.values()))


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """The stack under test on its cluster."""

    project: PulumiProject
    sandbox: Sandbox
    secrets: list[str] = field(default_factory=list[str])
    """The secret keys that are set beside the token."""

    def close(self, kind: Kind) -> None:
        """Set who may call, and deploy."""
        ingress = {"host": "auth.localhost", "auth": kind.auth}
        for key in set(self.secrets) - set(kind.secrets):
            self.project.succeed("config", "rm", key)
        self.project.succeed("config", "set", "ingress", json.dumps(ingress))
        for key, value in kind.secrets.items():
            self.project.succeed("config", "set", "--secret", key, given=value)
        self.secrets[:] = kind.secrets
        # With a preview, whose details are searched too.
        self.project.succeed("up", "--yes", "--diff")

    def objects(self) -> list[dict[str, Any]]:
        """Every object of the namespace, and of the cluster."""
        listed = "api-resources", "--verbs=list", "--output=name"
        kinds = sorted(set(self.sandbox.kubectl(*listed).split()))
        found = self.sandbox.kubectl_json("get", ",".join(kinds), f"--namespace={NAMESPACE}")
        return found["items"]

    def get(self, *arguments: str) -> Any:
        return self.sandbox.kubectl_json("get", f"--namespace={NAMESPACE}", *arguments)

    def generated(self) -> dict[str, dict[str, str]]:
        """The Secrets of the authentication, by their name."""
        component = "--selector=app.kubernetes.io/component=authentication"
        found = self.get("secrets", component)["items"]
        return {item["metadata"]["name"]: item["data"] for item in found}

    def secret(self, name: str) -> dict[str, str]:
        data: dict[str, str] = self.get("secret", name)["data"]
        return {entry: base64.b64decode(value).decode() for entry, value in data.items()}

    def server_secret(self) -> str:
        """Name of the Secret that the server's pods read their keys from."""
        volumes = self.get("deployment", "vllm")["spec"]["template"]["spec"]["volumes"]
        (name,) = (v["secret"]["secretName"] for v in volumes if v["name"] == "api-keys")
        return name

    def keys_of_the_server(self) -> str:
        return self.secret(self.server_secret())["api-keys"]


@pytest.fixture(scope="module")
def deployed(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A stack with a token, open to everybody at first."""
    folder = tmp_path_factory.mktemp("auth")
    project = PulumiProject(
        folder=folder / "checkout", backend=folder / "backend", kubeconfig=sandbox.kubeconfig
    )
    project.check_out(STACK_FILE)
    project.succeed("stack", "init", STACK)
    project.succeed("config", "set", "--secret", "huggingFaceToken", given=TOKEN)
    yield Deployed(project=project, sandbox=sandbox)
    project.run("destroy", "--yes", "--skip-preview")


def _hidden_values(deployed: Deployed) -> set[str]:
    """Every value of every Secret of the app: what was given, and what was generated."""
    secrets = [item for item in deployed.objects() if item["kind"] == "Secret"]
    values = [value for item in secrets for value in item.get("data", {}).values()]
    lines = [line for value in values for line in base64.b64decode(value).decode().splitlines()]
    return {line for line in lines if line}


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_of_authentication_holds_its_secrets_in_secrets_alone(
    deployed: Deployed, name: str
) -> None:
    kind, project = KINDS[name], deployed.project
    deployed.close(kind)
    before = deployed.generated()
    project.succeed("refresh", "--yes", "--skip-preview")
    project.expect_no_changes()
    assert deployed.generated() == before
    objects = deployed.objects()
    own = {f"{item['kind']}/{item['metadata']['name']}" for item in objects}
    assert own & OWNED == kind.made
    annotations = deployed.get("ingress", "vllm")["metadata"]["annotations"]
    assert annotations.get(ROUTER_MIDDLEWARES) == kind.middleware
    assert deployed.get("deployment", "vllm")["status"]["readyReplicas"] == 1
    hidden = _hidden_values(deployed)
    # The namespace enforces `restricted`, so pods that run satisfy it.
    proxies = deployed.get("pods", "--selector=app.kubernetes.io/component=authentication")["items"]
    assert [pod["status"]["phase"] for pod in proxies] == ["Running"] * (2 if name == "oidc" else 0)
    assert {TOKEN, *(line for held in kind.held for line in held.splitlines())} <= {
        value for line in hidden for value in (line, line.partition(":")[2])
    }
    project.succeed("stack", "export")
    project.succeed("stack", "output", "--json")
    said = "".join(project.transcript)
    open_texts = [json.dumps(item) for item in objects if item["kind"] != "Secret"]
    for value in hidden:
        assert files_that_hold(value, project.folder, project.backend) == []
        for spelling in clear_spellings(value):
            assert spelling not in said
            assert not [text for text in open_texts if spelling in text]


def test_other_keys_roll_the_server_and_the_first_is_for_clients(deployed: Deployed) -> None:
    old, new = API_KEYS
    uid = deployed.get("deployment", "vllm")["metadata"]["uid"]
    stages: list[tuple[str, str]] = []
    for keys in (f"{old}\n{new}", f"{new}\n{old}", new):
        deployed.close(Kind(auth={"kind": "apiKey"}, secrets={"apiKeys": keys}))
        assert deployed.keys_of_the_server() == keys
        stages.append((deployed.server_secret(), deployed.secret("vllm-api-key")["api-key"]))
    assert len({read for read, _ in stages}) == 3
    assert deployed.get("deployment", "vllm")["metadata"]["uid"] == uid
    assert [first for _, first in stages] == [old, new, new]
    deployed.close(KINDS["generated key"])
    assert deployed.keys_of_the_server() == new
