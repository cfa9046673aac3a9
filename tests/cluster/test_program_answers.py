"""The address that the program prints answers, through the real ingress controller."""

import http.client
import json
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import closing

import pytest

from sandbox.state import Ports
from tests.cluster.sandboxes import PATIENCE_SECONDS, Sandbox
from tests.pulumi_project import STACK, PulumiProject, committed_stack_file

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def project(
    full_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PulumiProject]:
    """The dev stack in the full sandbox."""
    folder = tmp_path_factory.mktemp("answers")
    made = PulumiProject(
        folder=folder / "checkout", backend=folder / "backend", kubeconfig=full_sandbox.kubeconfig
    ).check_out(committed_stack_file("dev"))
    made.succeed("stack", "init", STACK)
    made.succeed("config", "set", "namespace", json.dumps({"name": "answering"}))
    yield made
    made.run("destroy", "--yes", "--skip-preview")


def said_by(sandbox: Sandbox, app_host: str) -> str:
    """What the address says once its route is known to Traefik."""
    host = urllib.parse.urlsplit(app_host).netloc
    body = json.dumps({"model": "any", "messages": [{"role": "user", "content": "Hello"}]})
    port = Ports.counted_from(sandbox.port_base).ingress
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        # The interceptor holds a request back until it has heard of a pod that is ready.
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        with closing(connection):
            connection.request("POST", "/v1/chat/completions", body, {"Host": host})
            answer = connection.getresponse()
            if answer.status == http.client.OK:
                return json.load(answer)["choices"][0]["message"]["content"]
        assert time.monotonic() < deadline, answer.status
        time.sleep(0.2)


@pytest.mark.parametrize("scaled", [False, True])
def test_the_printed_address_answers_a_chat_completion(
    full_sandbox: Sandbox, project: PulumiProject, scaled: bool
) -> None:
    project.succeed("config", "set", "autoscaling", json.dumps({"enabled": scaled}))
    project.up()
    app_host = project.succeed("stack", "output", "appHost").strip()
    assert "No model ran" in said_by(full_sandbox, app_host)
