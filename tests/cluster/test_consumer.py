"""The consumer example against the outputs of the dev stack, through the real engine."""

import base64
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.sandboxes import Sandbox
from tests.pulumi_project import (
    ROOT,
    STACK,
    PulumiProject,
    clear_spellings,
    committed_stack_file,
    consumer_project,
    files_that_hold,
)

pytestmark = pytest.mark.cluster

NAMESPACE = "llm"
FROM_THE_FUTURE = """\
import pulumi

pulumi.export("contractVersion", 99)
pulumi.export("appHost", "http://vllm.llm.localhost")
"""
PROJECT = "{name: from-the-future, runtime: {name: python, options: {virtualenv: .venv}}}"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A producer that is deployed, a consumer that is not, in one backend."""

    producer: PulumiProject
    consumer: PulumiProject
    sandbox: Sandbox


@pytest.fixture(scope="module")
def pair(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("consumer")
    producer = PulumiProject(
        folder=folder / "checkout", backend=folder / "backend", kubeconfig=sandbox.kubeconfig
    )
    producer.check_out(committed_stack_file("dev"))
    producer.up()
    consumer = consumer_project(folder, sandbox.kubeconfig)
    consumer.succeed("stack", "init", STACK)
    yield Pair(producer=producer, consumer=consumer, sandbox=sandbox)
    consumer.run("destroy", "--yes", "--skip-preview")
    producer.run("destroy", "--yes", "--skip-preview")


def outputs(project: PulumiProject) -> Any:
    return json.loads(project.succeed("stack", "output", "--json"))


def test_the_consumer_comes_up_against_the_dev_stack_s_outputs(pair: Pair) -> None:
    pair.consumer.succeed("up", "--yes", "--skip-preview")
    pod = pair.sandbox.kubectl_json(
        "get", "pods", f"--namespace={NAMESPACE}", "--selector=app.kubernetes.io/instance=chat"
    )["items"][0]
    conditions = {c["type"]: c["status"] for c in pod["status"]["conditions"]}
    assert conditions["Ready"] == "True"
    (container,) = pod["spec"]["containers"]
    given = {variable["name"]: variable["value"] for variable in container["env"]}
    produced = outputs(pair.producer)
    assert given == {
        "APP_HOST": produced["appHost"],
        "SERVED_MODEL_NAME": produced["servedModelName"],
    }
    enforced = pair.sandbox.kubectl_json("get", "namespace", NAMESPACE)["metadata"]["labels"]
    assert enforced["pod-security.kubernetes.io/enforce"] == "restricted"


def test_its_program_is_the_chat_client_and_its_output_says_how_to_call_it(pair: Pair) -> None:
    program, *_ = pair.sandbox.kubectl_json(
        "get",
        "configmaps",
        f"--namespace={NAMESPACE}",
        "--selector=app.kubernetes.io/instance=chat",
    )["items"]
    assert program["data"]["chat.py"] == (ROOT / "examples" / "chat.py").read_text()
    command = outputs(pair.consumer)["command"]
    assert f"exec --namespace {NAMESPACE} deployment/chat -- python /client/chat.py" in command


def test_a_second_preview_changes_nothing(pair: Pair) -> None:
    pair.consumer.expect_no_changes()


def test_the_preview_fails_with_one_sentence_where_the_version_is_unknown(
    pair: Pair, tmp_path: Path
) -> None:
    future = PulumiProject(
        folder=tmp_path / "future",
        backend=pair.producer.backend,
        kubeconfig=pair.sandbox.kubeconfig,
    )
    future.folder.mkdir()
    (future.folder / "Pulumi.yaml").write_text(PROJECT)
    (future.folder / "__main__.py").write_text(FROM_THE_FUTURE)
    (future.folder / ".venv").symlink_to(sys.prefix)
    future.up()
    kept = pair.consumer.stack_file.read_text()
    try:
        pair.consumer.succeed("config", "set", "producer", f"organization/from-the-future/{STACK}")
        done = pair.consumer.run("preview")
    finally:
        pair.consumer.stack_file.write_text(kept)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert (
        f"organization/from-the-future/{STACK} has outputs of contract version 99, and this "
        "project knows version 1" in said
    )
    assert "Traceback" not in said


def test_a_key_is_read_from_the_producer_s_secret_and_stands_nowhere_else(pair: Pair) -> None:
    pair.producer.succeed("config", "set", "--path", "ingress.auth", "apiKey")
    pair.producer.up()
    pair.consumer.up()
    in_namespace = f"--namespace={NAMESPACE}"
    deployment = pair.sandbox.kubectl_json("get", "deployment", "chat", in_namespace)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (reference,) = [
        variable["valueFrom"]["secretKeyRef"]
        for variable in container["env"]
        if variable["name"] == "OPENAI_API_KEY"
    ]
    produced = outputs(pair.producer)
    assert reference["name"] == produced["apiKeySecretName"]
    secret = pair.sandbox.kubectl_json("get", "secret", reference["name"], in_namespace)
    key = base64.b64decode(secret["data"][reference["key"]]).decode()
    assert len(key) >= 32
    assert files_that_hold(key, pair.consumer.folder, pair.consumer.backend) == []
    said = "".join(pair.consumer.transcript + pair.producer.transcript)
    assert not [spelling for spelling in clear_spellings(key) if spelling in said]
