"""The real program under mocks, for every committed stack file."""

import asyncio
import gc
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from catalog.loader import find_model
from planning.rollout import start_budget
from settings.pulumi_config import ConfigError
from settings.secret_keys import SECRET_KEYS
from settings.stack_files import read_stack_file
from tests.program.recording import (
    ROOT,
    SECRET_KIND,
    SECRET_SIGNATURE,
    Recording,
    run_program,
    run_stack_file,
)

STACKS = sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml"))
TOKEN = "hf_NotARealTokenButLongEnough"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the SDK sends for a value that a preview cannot know (runtime/rpc.py)."""

AUTOSCALED = {"autoscaling": {"enabled": True}}
UNSCALED = {"autoscaling": {"enabled": False}}


def run_with_token(*, preview: bool = False, **overrides: str) -> Recording:
    raw = read_stack_file(ROOT / "Pulumi.dev.yaml").raw | overrides | {"huggingFaceToken": TOKEN}
    return run_program(raw, secret=frozenset({"huggingFaceToken"}), stack="dev", preview=preview)


def holding(value: object, text: str) -> bool:
    return text in json.dumps(value)


@pytest.mark.parametrize("stack", STACKS)
def test_every_committed_stack_file_builds(stack: str) -> None:
    recording = run_stack_file(stack, preview=True)
    assert {"vllm-server-deployment", "vllm-server-service", "vllm-ingress-ingress"} <= {
        request.name for request in recording.requests
    }


@pytest.mark.parametrize("stack", STACKS)
def test_every_object_stands_in_the_tree_of_the_app_under_the_parts_that_own_it(stack: str) -> None:
    recording = run_stack_file(stack)
    tree = {(r.type, r.parent.rpartition("::")[2]) for r in recording.requests if not r.custom}
    parts = {"ModelServer", "ModelCache", "AppIngress", "AppNetworkPolicy"}
    if recording.of_type(":RpsAutoscaler"):
        parts.add("RpsAutoscaler")
    if recording.of_type(":AppAuthentication"):
        parts.add("AppAuthentication")
    expected = {(f"llm:index:{part}", "vllm") for part in parts}
    expected.add(("llm:index:ModelDownload", "vllm-server"))
    assert tree == {*expected, ("llm:index:VllmApp", f"mistral-vllm-{stack}")}
    owners = {
        "Deployment": "llm:index:ModelServer",
        "ServiceAccount": "llm:index:ModelServer",
        "PersistentVolumeClaim": "llm:index:ModelCache",
        "Ingress": "llm:index:AppIngress",
        "NetworkPolicy": "llm:index:AppNetworkPolicy",
        "Job": "llm:index:ModelDownload",
        "ScaledObject": "llm:index:RpsAutoscaler",
        "Namespace": "llm:index:VllmApp",
        "Secret": "llm:index:AppAuthentication",
    }
    for kind, owner in owners.items():
        for request in recording.of_type(f":{kind}"):
            assert f"{owner}::" in request.parent


@pytest.mark.parametrize("stack", STACKS)
def test_every_object_goes_through_the_one_explicit_provider(stack: str) -> None:
    recording = run_stack_file(stack)
    (provider,) = recording.of_type("pulumi:providers:kubernetes")
    objects = [r for r in recording.requests if r.custom and r != provider]
    assert objects
    assert {r.provider for r in objects} == {objects[0].provider}
    assert f"::{provider.name}::" in objects[0].provider
    assert provider.inputs["kubeconfig"] == ""
    assert provider.inputs["context"]
    assert provider.inputs["clusterIdentifier"] == provider.inputs["context"]


@pytest.mark.parametrize(
    ("overrides", "held"),
    [
        (AUTOSCALED, False),
        (AUTOSCALED | {"replicas": "2"}, False),
        (UNSCALED, False),
        (UNSCALED | {"replicas": "2"}, True),
    ],
)
def test_the_replicas_are_held_exactly_when_they_are_asked_for_without_an_autoscaler(
    overrides: dict[str, object], held: bool
) -> None:
    deployment = run_stack_file("dev", overrides).only(":Deployment")
    assert deployment.ignore_changes == (() if held else ("spec.replicas",))
    # Whoever scaled before owns the count, and the API server refuses another owner.
    forced = deployment.inputs["metadata"].get("annotations", {}).get("pulumi.com/patchForce")
    assert forced == ("true" if held else None)
    assert deployment.inputs["spec"]["replicas"] == (2 if held else 1)


def test_the_ingress_turns_to_the_interceptor_after_that_has_its_route() -> None:
    requests = [r.type.rpartition(":")[2] for r in run_stack_file("dev", AUTOSCALED).requests]
    assert requests.index("InterceptorRoute") < requests.index("Ingress")


@pytest.mark.parametrize(
    ("kind", "counter"),
    [("interceptorRoute", "InterceptorRoute"), ("httpScaledObject", "HTTPScaledObject")],
)
def test_what_counts_requests_stands_before_the_scaler_asks_for_it(kind: str, counter: str) -> None:
    recording = run_stack_file("dev", {"autoscaling": {"enabled": True, "kind": kind}})
    requests = [r.type.rpartition(":")[2] for r in recording.requests]
    assert requests.index(counter) < requests.index("ScaledObject")


@pytest.mark.parametrize("start_seconds", [None, 45])
def test_pulumi_waits_as_long_as_the_start_budget(start_seconds: int | None) -> None:
    overrides = {"rollout": {"startSeconds": start_seconds}} if start_seconds else {}
    deployment = run_stack_file("dev", overrides).only(":Deployment")
    weights = find_model("mistral-7b-instruct").weights_bytes
    start = start_budget(weights, override=start_seconds, downloads=False).seconds
    assert deployment.create_timeout == f"{start}s"
    # The dev stack may run five pods, and each waits for the drain of the one before it.
    spec = deployment.inputs["spec"]
    each = start + int(spec["template"]["spec"]["terminationGracePeriodSeconds"])
    assert deployment.update_timeout == f"{5 * each}s"
    assert spec["progressDeadlineSeconds"] == each


@pytest.mark.parametrize("retain", [True, False])
def test_the_claim_is_protected_and_kept_exactly_when_the_stack_retains_it(retain: bool) -> None:
    cache = {"storageClass": "standard", "accessMode": "ReadWriteMany", "retain": retain}
    recording = run_stack_file("dev", {"cache": cache})
    claim, namespace = recording.only(":PersistentVolumeClaim"), recording.only(":Namespace")
    assert (claim.protect, claim.retain_on_delete) == (retain, retain)
    # A namespace that went would take a kept claim along.
    assert namespace.retain_on_delete == retain


def test_the_token_ends_in_a_secret_as_a_secret_and_nowhere_else() -> None:
    recording = run_with_token()
    secret = recording.only("core/v1:Secret")
    marked = secret.inputs["stringData"]
    assert marked[SECRET_SIGNATURE] == SECRET_KIND
    assert marked["value"] == {"token": TOKEN}
    others = [r.inputs for r in recording.requests if r != secret]
    assert not holding(others, TOKEN)
    assert not holding(recording.outputs, TOKEN)
    assert not holding(recording.messages, TOKEN)


@pytest.mark.parametrize(("cached", "reader"), [(True, ":Job"), (False, ":Deployment")])
def test_whoever_downloads_the_model_reads_the_token_from_that_secret(
    cached: bool, reader: str
) -> None:
    recording = run_with_token() if cached else run_with_token(cache='{"enabled": false}')
    (container,) = recording.only(reader).inputs["spec"]["template"]["spec"]["containers"]
    (variable,) = [v for v in container["env"] if v["name"] == "HF_TOKEN"]
    reference = variable["valueFrom"]["secretKeyRef"]
    assert reference["key"] == "token"
    assert "vllm-server-token" in json.dumps(reference["name"])
    assert "value" not in variable


@pytest.mark.parametrize("stack", STACKS)
def test_every_output_is_known_at_preview_and_none_is_a_secret(stack: str) -> None:
    outputs = run_stack_file(stack, preview=True).outputs
    with_key = outputs["authType"] == "apiKey"
    assert with_key == ("apiKeySecretName" in outputs) == ("apiKeySecretKey" in outputs)
    assert set(outputs) - {"apiKeySecretName", "apiKeySecretKey"} == {
        "apiBaseUrl",
        "appHost",
        "authType",
        "cachePath",
        "chatCompletionsUrl",
        "contextLength",
        "contractVersion",
        "gpus",
        "hourlyPrice",
        "internalUrl",
        "model",
        "namespace",
        "preset",
        "revision",
        "servedModelName",
        "serviceName",
    }
    assert outputs["contractVersion"] == 1
    assert outputs["chatCompletionsUrl"] == f"{outputs['appHost']}/v1/chat/completions"
    assert not holding(outputs, UNKNOWN)
    assert not holding(outputs, SECRET_SIGNATURE)


def test_a_token_makes_no_output_a_secret_or_unknown() -> None:
    outputs = run_with_token(preview=True).outputs
    assert outputs == run_stack_file("dev", preview=True).outputs


@pytest.mark.parametrize("stack", STACKS)
def test_the_service_finds_the_pods_and_no_selector_holds_a_version(stack: str) -> None:
    recording = run_stack_file(stack)
    deployment = recording.only(":Deployment").inputs["spec"]
    (service,) = [r for r in recording.of_type(":Service") if r.name.endswith("server-service")]
    pod_labels: dict[str, str] = deployment["template"]["metadata"]["labels"]
    for selector in (service.inputs["spec"]["selector"], deployment["selector"]["matchLabels"]):
        assert selector.items() <= pod_labels.items()
        assert set(selector) == {
            "app.kubernetes.io/name",
            "app.kubernetes.io/instance",
            "app.kubernetes.io/component",
        }


def test_a_users_label_cannot_break_the_selector() -> None:
    hostile = {"app.kubernetes.io/component": "mine", "team": "research"}
    deployment = run_stack_file("dev", {"labels": hostile}).only(":Deployment").inputs["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert labels["team"] == "research"
    assert deployment["selector"]["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize("stack", STACKS)
def test_a_cluster_that_cannot_be_asked_is_a_warning_and_no_error(stack: str) -> None:
    warnings = run_stack_file(stack, preview=True).warnings()
    (warning,) = [text for text in warnings if text.startswith("kubernetes.context")]
    assert "no kubeconfig has a context" in warning


def test_mistakes_are_raised_before_anything_is_requested() -> None:
    with pytest.raises(ConfigError) as raised:
        run_stack_file("dev", {"presets": [], "replicas": "many"})
    lines = str(raised.value).splitlines()
    assert [line.partition(":")[0] for line in lines[1:]] == ["  - preset", "  - replicas"]


@pytest.mark.parametrize("key", SECRET_KEYS)
@pytest.mark.parametrize("value", ["", " \n"])
def test_a_secret_that_is_set_to_nothing_is_refused(key: str, value: str) -> None:
    """As `pulumi config set --secret apiKeys "$KEYS"` gives it where the shell has no such."""
    raw = read_stack_file(ROOT / "Pulumi.dev.yaml").raw | {key: value}
    with pytest.raises(ConfigError) as raised:
        run_program(raw, secret=frozenset({key}), stack="dev", preview=True)
    lines = str(raised.value).splitlines()
    (line,) = [line for line in lines if line.startswith(f"  - {key}: is empty")]
    assert "a secret that is set has a value" in line


def test_another_hash_seed_gives_the_same_requests() -> None:
    first, second = (_requests_in_another_process(seed) for seed in ("1", "4242"))
    assert len(first.splitlines()) > 10
    assert first == second


def test_a_run_closes_the_event_loops_of_its_threads() -> None:
    before = open_loops()
    run_stack_file("dev")
    assert [loop for loop in open_loops() if loop not in before] == []


def open_loops() -> list[asyncio.AbstractEventLoop]:
    # A proxy that outlived its object cannot be asked what it is an instance of.
    loops = [it for it in gc.get_objects() if issubclass(type(it), asyncio.AbstractEventLoop)]
    return [loop for loop in loops if not loop.is_closed()]


def _requests_in_another_process(seed: str) -> str:
    environment: dict[str, Any] = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "tests.program.recording", "dev"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
