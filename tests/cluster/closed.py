"""A stack that asks who calls: how it is set up, and where its secrets stand."""

import base64
import http.client
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sandbox.state import Ports
from tests.cluster.exposed import CHAT, LONGEST_SECONDS, Exposed, connected
from tests.cluster.sandboxes import PATIENCE_SECONDS
from tests.pulumi_project import clear_spellings, files_that_hold

MIDDLEWARE = "Middleware/vllm-authentication"
CLIENT_KEY = "Secret/vllm-api-key"
PROXY = frozenset({"Deployment/vllm-authentication", "Service/vllm-authentication"})
_EVER_MADE = PROXY | {MIDDLEWARE, CLIENT_KEY}
_ROUTER_MIDDLEWARES = "traefik.ingress.kubernetes.io/router.middlewares"
_INSIDE = ("/health", "/metrics")
"""Paths that a server has and that nobody reaches from outside."""


def deploy(
    exposed: Exposed, secrets: Mapping[str, str], *, preview: bool = True, **keys: object
) -> None:
    """Set secret keys and others, and deploy; the details of a preview are searched too.

    Secrets are typed, as a user does it: an argument is what everybody can read.
    """
    if keys:
        exposed.configure(**keys)
    for key, value in secrets.items():
        exposed.project.succeed("config", "set", "--secret", key, given=value)
    exposed.project.succeed("up", "--yes", *(["--diff"] if preview else ["--skip-preview"]))


def remove(exposed: Exposed, *keys: str) -> None:
    """Take keys out of the stack's config."""
    for key in keys:
        exposed.project.succeed("config", "rm", key)


def expect_no_changes(exposed: Exposed) -> None:
    """Expect that neither the stack nor what the cluster has made of it differs."""
    exposed.project.succeed("preview", "--refresh", "--expect-no-changes", "--diff")


def get(exposed: Exposed, *arguments: str) -> Any:
    """Objects of the app's namespace."""
    return exposed.sandbox.kubectl_json("get", f"--namespace={exposed.namespace}", *arguments)


def read_secret(exposed: Exposed, name: str) -> dict[str, str]:
    """The entries of a Secret of the app's namespace."""
    data: dict[str, str] = get(exposed, "secret", name)["data"]
    return {entry: base64.b64decode(value).decode() for entry, value in data.items()}


def objects(exposed: Exposed) -> list[dict[str, Any]]:
    """Every object of the namespace, and of the cluster."""
    # KEDA's API, behind the cluster's, may be out of reach for a moment on a busy machine.
    asked = ("api-resources", "--verbs=list", "--output=name")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (listed := exposed.sandbox.try_kubectl(*asked)).returncode:
        assert time.monotonic() < deadline, listed.stderr
        time.sleep(0.1)
    return get(exposed, ",".join(sorted(set(listed.stdout.split()))))["items"]


def made(found: Sequence[dict[str, Any]]) -> set[str]:
    """What a kind of authentication has made, of all that any kind makes under a fixed name."""
    return {f"{item['kind']}/{item['metadata']['name']}" for item in found} & _EVER_MADE


def router_middlewares(exposed: Exposed) -> str | None:
    """What the ingress names for Traefik to ask."""
    return exposed.only("ingresses")["metadata"]["annotations"].get(_ROUTER_MIDDLEWARES)


def hidden_values(found: Sequence[dict[str, Any]]) -> set[str]:
    """Every value of every Secret: what was given, and what was generated."""
    secrets = [item for item in found if item["kind"] == "Secret"]
    values = [value for item in secrets for value in item.get("data", {}).values()]
    lines = [line for value in values for line in base64.b64decode(value).decode().splitlines()]
    parts = [part for line in lines for part in (line, line.partition(":")[2])]
    return {part for part in parts if part}


def where_in_clear(
    exposed: Exposed, values: set[str], found: Sequence[dict[str, Any]], *folders: Path
) -> list[str]:
    """Where values stand in clear: objects but Secrets, state, stack file, output, logs, argv."""
    project = exposed.project
    exported = project.succeed("stack", "export")
    project.succeed("stack", "output", "--json")
    said = "".join(project.transcript)
    texts = {
        f"{item['kind']}/{item['metadata']['name']}": json.dumps(item)
        for item in found
        if item["kind"] != "Secret"
    } | {
        "what pulumi said": said,
        "stack export": exported,
        "arguments of processes": "\n".join(exposed.arguments),
    }
    searched = (project.folder, project.backend, exposed.sandbox.directory / "logs", *folders)
    places: list[str] = []
    for value in values:
        places += [str(file) for file in files_that_hold(value, *searched)]
        spellings = clear_spellings(value)
        places += [at for at, text in texts.items() if any(each in text for each in spellings)]
    return sorted(places)


def tell_stand_in(exposed: Exposed, path: str, **values: object) -> None:
    """Tell the process that answers for the pods what they accept, or how they behave."""
    port = Ports.counted_from(exposed.sandbox.port_base).stand_in_control
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONGEST_SECONDS)
    connection.request("POST", path, json.dumps(values))
    answer = connection.getresponse()
    assert answer.status == http.client.OK, answer.read()
    connection.close()


def preflight_status(exposed: Exposed, address: str) -> int:
    """What a browser gets that asks, without a credential, what it may send from another site."""
    asked = {
        "Host": urlsplit(address).netloc,
        "Origin": "https://chat.example.com",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    with closing(connected(exposed.sandbox, address)) as connection:
        connection.request("OPTIONS", CHAT, headers=asked)
        return connection.getresponse().status


def expect_door(
    exposed: Exposed,
    address: str,
    admitted: Mapping[str, str],
    refused: Sequence[Mapping[str, str]],
) -> None:
    """Expect 200 for a caller with a credential, 401 for all others, and nothing beside the API."""
    exposed.eventually(401, address)
    exposed.eventually(200, address, headers=admitted)
    nobody: Mapping[str, str] = {}
    for headers in (nobody, *refused):
        reply = exposed.ask(address, headers=headers)
        assert reply.status == 401, headers
        assert "Location" not in reply.headers
    assert exposed.ask(address, "/v1/models").status == 401
    assert exposed.ask(address, "/v1/models", admitted).status == 200
    beside = [
        exposed.ask(address, path, headers).status
        for path in _INSIDE
        for headers in (nobody, admitted)
    ]
    assert beside == [404] * 4
