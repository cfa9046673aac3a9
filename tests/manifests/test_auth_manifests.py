"""The objects of the authentication as they go to the cluster."""

import base64
import csv
import json
from typing import Any

import pytest

from planning.api_keys import API_KEY_FILE
from settings.stack_files import read_stack_file
from tests.program.recording import (
    ROOT,
    SECRET_KIND,
    SECRET_SIGNATURE,
    Recording,
    Requested,
    run_program,
)

HOST = "llm.example.com"
KEYS = ("not-a-real-key-but-long-enough", "another-key-that-is-not-real")
USERS = "someone:$2y$05$notARealHashButOfTheRightShape"
OIDC = {
    "kind": "oidc",
    "issuer": "https://issuer.example.com",
    "clientId": "vllm",
    "groups": ["llm"],
    "audiences": ["other"],
}


WAY_IN = {"ingress": ":Ingress", "gateway": ":HTTPRoute"}


def run(auth: object, secrets: dict[str, str] | None = None, **keys: object) -> Recording:
    raw = read_stack_file(ROOT / "Pulumi.dev.yaml").raw
    raw |= {"ingress": json.dumps({"host": HOST, "auth": auth})}
    raw |= {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in keys.items()
    }
    given = secrets or {}
    return run_program(raw | given, secret=frozenset(given), stack="dev", preview=False)


def pod(recording: Recording, name: str = "vllm-server-deployment") -> dict[str, Any]:
    (found,) = [request for request in recording.requests if request.name == name]
    return found.inputs["spec"]["template"]["spec"]


def secrets_of(recording: Recording) -> list[Requested]:
    return recording.of_type("core/v1:Secret")


def values(secret: Requested) -> dict[str, str]:
    """What a Secret holds; it is a secret on the wire too."""
    found = secret.inputs.get("data") or secret.inputs["stringData"]
    assert found[SECRET_SIGNATURE] == SECRET_KIND
    if "data" in secret.inputs:
        return {key: base64.b64decode(text).decode() for key, text in found["value"].items()}
    return found["value"]


def test_keys_reach_the_server_through_a_file_in_memory() -> None:
    recording = run("apiKey", {"apiKeys": "\n".join(KEYS)})
    spec = pod(recording)
    (writer,), (server,) = spec["initContainers"], spec["containers"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert volumes["api-keys-file"]["emptyDir"]["medium"] == "Memory"
    assert server["args"][-2:] == ["--config", API_KEY_FILE]
    mounts = {mount["name"]: mount for mount in server["volumeMounts"]}
    assert API_KEY_FILE.startswith(mounts["api-keys-file"]["mountPath"] + "/")
    # The server sees the file, and not the Secret.
    assert "api-keys" not in mounts
    assert writer["image"] == server["image"]
    assert writer["securityContext"] == server["securityContext"]
    assert writer["resources"]["limits"]["memory"]


def test_the_server_reads_all_keys_and_clients_get_the_first() -> None:
    recording = run("apiKey", {"apiKeys": json.dumps(KEYS)})
    server, client = sorted(secrets_of(recording), key=lambda secret: "client" in secret.name)
    assert values(server) == {"api-keys": "\n".join(KEYS)}
    assert values(client) == {"api-key": KEYS[0]}
    assert client.inputs["metadata"]["name"] == recording.outputs["apiKeySecretName"]
    # A fixed name would be deleted before its successor exists, and the server with it.
    assert "name" not in server.inputs["metadata"]
    assert server.ignore_changes == ()


def test_a_generated_key_is_made_once_and_both_secrets_hold_it() -> None:
    first, second = (run("apiKey") for _ in range(2))
    for recording in (first, second):
        server, client = sorted(secrets_of(recording), key=lambda secret: "client" in secret.name)
        assert server.ignore_changes == ("data",)
        assert values(client)["api-key"] == values(server)["api-keys"]
        assert len(values(client)["api-key"]) == 64
    keys = {values(secret).popitem()[1] for run_ in (first, second) for secret in secrets_of(run_)}
    assert len(keys) == 2


def test_entries_of_an_existing_secret_are_mounted_and_no_secret_is_made() -> None:
    auth = {"kind": "apiKey", "secretName": "keys", "key": "now", "otherKeys": ["old"]}
    recording = run(auth)
    assert secrets_of(recording) == []
    (volume,) = [each for each in pod(recording)["volumes"] if each["name"] == "api-keys"]
    assert volume["secret"]["secretName"] == "keys"
    assert [item["key"] for item in volume["secret"]["items"]] == ["now", "old"]
    assert (recording.outputs["apiKeySecretName"], recording.outputs["apiKeySecretKey"]) == (
        "keys",
        "now",
    )


def test_the_leader_of_a_group_alone_has_the_keys() -> None:
    recording = run(
        "apiKey",
        model="mistral-large-3",
        preset="nvidia-h100-8",
        multiNode={"maxNodes": 2},
        autoscaling={"enabled": False},
    )
    group = recording.only(":LeaderWorkerSet").inputs["spec"]["leaderWorkerTemplate"]
    assert group["leaderTemplate"]["spec"]["initContainers"]
    assert "api-keys" not in json.dumps(group["workerTemplate"])
    assert API_KEY_FILE in json.dumps(group["leaderTemplate"])


@pytest.mark.parametrize("secret_name", [None, "users"])
def test_passwords_are_checked_by_traefik_and_kept_from_the_server(secret_name: str | None) -> None:
    if secret_name:
        recording = run({"kind": "basic", "secretName": secret_name})
        assert secrets_of(recording) == []
    else:
        recording = run("basic", {"basicAuthUsers": USERS})
        assert [values(secret) for secret in secrets_of(recording)] == [{"users": USERS}]
    spec = recording.only(":Middleware").inputs["spec"]
    assert spec["basicAuth"]["removeHeader"] is True
    assert (secret_name or "vllm-authentication-users") in json.dumps(spec["basicAuth"]["secret"])


def test_a_forwarded_request_names_its_address_and_headers() -> None:
    auth = {"kind": "forwardAuth", "address": "https://login.example.com/verify"}
    assert run(auth).only(":Middleware").inputs["spec"] == {
        "forwardAuth": {"address": auth["address"]}
    }
    more: dict[str, object] = {"authResponseHeaders": ["X-User"], "trustForwardHeader": True}
    assert run(auth | more).only(":Middleware").inputs["spec"] == {
        "forwardAuth": {"address": auth["address"], **more}
    }


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("kind", ["ingress", "gateway"])
def test_the_way_in_asks_nothing_any_more_only_once_the_server_asks_for_keys(
    kind: str, scaled: bool
) -> None:
    """A change from another kind would else let everybody in for as long as a rollout takes."""
    way = {"kind": kind, "host": HOST, "auth": "apiKey"}
    way |= {"gateway": {"name": "public"}} if kind == "gateway" else {}
    recording = run("apiKey", ingress=way, autoscaling={"enabled": scaled})
    assert "vllm-server-deployment" in recording.only(WAY_IN[kind]).after


@pytest.mark.parametrize("kind", ["ingress", "gateway"])
def test_a_server_asks_for_keys_no_more_only_once_a_middleware_is_there(kind: str) -> None:
    way: dict[str, object] = {"kind": kind, "host": HOST, "auth": "basic", "controller": "traefik"}
    way |= {"gateway": {"name": "public"}} if kind == "gateway" else {}
    recording = run("basic", {"basicAuthUsers": USERS}, ingress=way)
    middleware = recording.only(":Middleware").name
    assert middleware in recording.only(":Deployment").after
    assert middleware in recording.only(WAY_IN[kind]).after
    # Nobody waits for the server: who may not call is refused before it.
    assert recording.only(":Deployment").name not in recording.only(WAY_IN[kind]).after


def test_middlewares_that_exist_are_named_and_none_is_made() -> None:
    recording = run({"kind": "middleware", "middlewares": [{"name": "a"}, {"name": "b"}]})
    annotations = recording.only(":Ingress").inputs["metadata"]["annotations"]
    named = annotations["traefik.ingress.kubernetes.io/router.middlewares"]
    assert named == "llm-a@kubernetescrd,llm-b@kubernetescrd"
    assert not recording.of_type(":Middleware")


def test_oauth2_proxy_takes_its_secrets_from_the_environment_and_tokens_alone() -> None:
    recording = run(OIDC, {"oidcClientSecret": "not-a-real-secret"})
    (container,) = pod(recording, "vllm-authentication-proxy")["containers"]
    arguments: list[str] = container["args"]
    assert "--skip-jwt-bearer-tokens=true" in arguments
    assert "--oidc-issuer-url=https://issuer.example.com" in arguments
    assert "--allowed-group=llm" in arguments
    assert "--oidc-extra-audience=other" in arguments
    assert "--email-domain=*" in arguments
    variables = {variable["name"]: variable["valueFrom"] for variable in container["env"]}
    assert set(variables) == {"OAUTH2_PROXY_CLIENT_SECRET", "OAUTH2_PROXY_COOKIE_SECRET"}
    assert not [argument for argument in arguments if "secret" in argument]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_a_group_with_commas_stays_one_group() -> None:
    """The flags of oauth2-proxy take a comma for the end of an entry (pflag, StringSlice)."""
    asked = OIDC | {"groups": ["cn=llm,ou=apps", 'the "few"'], "audiences": ["a,b"]}
    recording = run(asked, {"oidcClientSecret": "not-a-real-secret"})
    (container,) = pod(recording, "vllm-authentication-proxy")["containers"]
    read = {
        flag: [row for text in container["args"] if text.startswith(flag) for row in entries(text)]
        for flag in ("--allowed-group=", "--oidc-extra-audience=")
    }
    assert read["--allowed-group="] == asked["groups"]
    assert read["--oidc-extra-audience="] == asked["audiences"]


def entries(argument: str) -> list[str]:
    """What pflag reads of an argument with a list."""
    (row,) = csv.reader([argument.partition("=")[2]])
    return row


def test_the_middleware_asks_oauth2_proxy_at_its_service() -> None:
    recording = run(OIDC, {"oidcClientSecret": "not-a-real-secret"})
    forward = recording.only(":Middleware").inputs["spec"]["forwardAuth"]
    address = "http://vllm-authentication.llm.svc.cluster.local:4180/oauth2/auth"
    assert forward == {"address": address, "authRequestHeaders": ["Authorization"]}
    (service,) = [r for r in recording.of_type(":Service") if "authentication" in r.name]
    (port,) = service.inputs["spec"]["ports"]
    (deployment,) = [r for r in recording.of_type(":Deployment") if "authentication" in r.name]
    template = deployment.inputs["spec"]["template"]
    (container,) = template["spec"]["containers"]
    assert service.inputs["metadata"]["name"] == "vllm-authentication"
    assert service.inputs["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert port["port"] == 4180
    assert container["ports"][0]["containerPort"] == 4180


def test_the_secret_of_the_cookies_has_a_length_that_oauth2_proxy_takes() -> None:
    recording = run(OIDC, {"oidcClientSecret": "not-a-real-secret"})
    (cookie,) = [secret for secret in secrets_of(recording) if "cookie" in secret.name]
    assert cookie.ignore_changes == ("data",)
    # It decodes base64 first, and wants 16, 24 or 32 bytes (pkg/encryption/utils.go).
    decoded = base64.urlsafe_b64decode(values(cookie)["cookie-secret"])
    assert len(decoded) in {16, 24, 32}


def test_a_token_of_a_store_is_copied_by_its_operator_into_the_secret_that_is_read() -> None:
    external = {"store": "vault", "storeKind": "ClusterSecretStore", "key": "llm", "property": "t"}
    recording = run("none", huggingFaceTokenExternal=external)
    assert recording.only(":ExternalSecret").inputs["spec"] == {
        "refreshInterval": "1h0m0s",
        "secretStoreRef": {"kind": "ClusterSecretStore", "name": "vault"},
        "target": {"name": "vllm-hugging-face-token", "creationPolicy": "Owner"},
        "data": [{"secretKey": "token", "remoteRef": {"key": "llm", "property": "t"}}],
    }
    (container,) = recording.only(":Job").inputs["spec"]["template"]["spec"]["containers"]
    (variable,) = [v for v in container["env"] if v["name"] == "HF_TOKEN"]
    assert variable["valueFrom"] == {
        "secretKeyRef": {"name": "vllm-hugging-face-token", "key": "token"}
    }
