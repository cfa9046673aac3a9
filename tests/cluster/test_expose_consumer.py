"""The consumer example's client, as its pod would run it, reaches the model of another stack."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.state import Ports
from tests.cluster.exposed import Exposed, counted, exposed_stack
from tests.cluster.sandboxes import PATIENCE_SECONDS, Sandbox
from tests.pulumi_project import STACK, PulumiProject, consumer_project

pytestmark = pytest.mark.cluster

NAMESPACE = "llm-consumed"
OF_THE_CLIENT = (f"--namespace={NAMESPACE}", "--selector=app.kubernetes.io/instance=chat")


@dataclass(frozen=True, kw_only=True)
class Client:
    """What the consumer's pod has: its environment and its program."""

    variables: dict[str, str]
    program: Path

    @property
    def command(self) -> tuple[str, ...]:
        """What the pod runs, streaming."""
        return (sys.executable, str(self.program), "Hello", "--stream")


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A model's stack, and the consumer beside it."""

    exposed: Exposed
    consumer: PulumiProject
    folder: Path

    def client(self) -> Client:
        """Deploy the consumer and take from its objects what its pod is given."""
        self.consumer.up()
        get = self.exposed.sandbox.kubectl_json
        (deployment,) = get("get", "deployments", *OF_THE_CLIENT)["items"]
        pod = deployment["spec"]["template"]["spec"]
        (container,), (volume,) = pod["containers"], pod["volumes"]
        name = volume["configMap"]["name"]
        found = get("get", "configmap", name, f"--namespace={NAMESPACE}")
        program = self.folder / "chat.py"
        program.write_text(found["data"]["chat.py"])
        variables = {each["name"]: each["value"] for each in container["env"]}
        return Client(variables=variables, program=program)


@pytest.fixture(scope="module")
def pair(full_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("consumed")
    with exposed_stack(full_sandbox, folder, NAMESPACE) as exposed:
        consumer = consumer_project(folder, full_sandbox.kubeconfig)
        consumer.succeed("stack", "init", STACK)
        yield Pair(exposed=exposed, consumer=consumer, folder=folder)
        consumer.run("destroy", "--yes", "--skip-preview")


def test_it_reaches_the_model_at_the_address_for_those_outside(pair: Pair) -> None:
    pair.exposed.up(ingress={"host": "consumed.example.com"})
    pair.exposed.eventually(200, "http://consumed.example.com")
    client = pair.client()
    port = Ports.counted_from(pair.exposed.sandbox.port_base).ingress
    done = subprocess.run(
        [*client.command, f"--connect=127.0.0.1:{port}"],
        env=os.environ | client.variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "No model ran" in done.stdout


def test_without_a_way_in_it_is_counted_inside_the_cluster(pair: Pair) -> None:
    pair.exposed.up(ingress={"enabled": False}, autoscaling={"enabled": True})
    client = pair.client()
    app_host = client.variables["APP_HOST"]
    assert app_host.startswith(f"http://vllm-interceptor.{NAMESPACE}.svc")
    # The route is Ready before the interceptor has learnt of it.
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (status := status_inside(pair, f"{app_host}/v1/models")) != 200:
        assert time.monotonic() < deadline, status
    before = counted(pair.exposed)
    given = [f"{name}={value}" for name, value in client.variables.items()]
    done = pair.exposed.sandbox.run("exec", "env", *given, *client.command)
    assert "No model ran" in done.stdout
    assert counted(pair.exposed) - before == 1
    paths = ("/v1/models", "/metrics", "/health")
    assert [status_inside(pair, app_host + path) for path in paths] == [200, 404, 404]


def status_inside(pair: Pair, url: str) -> int:
    """What a pod of the cluster gets at an address."""
    asked = (
        "import http.client, urllib.parse as parse, sys; url = parse.urlsplit(sys.argv[1]); "
        "connection = http.client.HTTPConnection(url.netloc); "
        "connection.request('GET', url.path); print(connection.getresponse().status)"
    )
    return int(pair.exposed.sandbox.run("exec", sys.executable, "-c", asked, url).stdout)
