"""How the server gets its API keys: from a Secret, through a file of vLLM's own form.

`VLLM_API_KEY` holds one key and `--api-key` puts several into the process list, so an init
container writes them where `vllm serve --config` reads them, into memory.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pulumi
from pulumi_kubernetes.core.v1 import (
    ContainerArgs,
    EmptyDirVolumeSourceArgs,
    KeyToPathArgs,
    ResourceRequirementsArgs,
    SecretInitArgs,
    SecretVolumeSourceArgs,
    VolumeArgs,
    VolumeMountArgs,
)
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from manifests.metadata import object_labels
from manifests.security import container_security_args
from planning.api_keys import API_KEY_FILE, split_api_keys
from planning.auth import ALL_API_KEYS, ApiKeyAuth
from planning.plan import Plan

WRITE_KEYS = """\
import json, os, sys
target, *sources = sys.argv[1:]
keys = [key for source in sources for key in open(source).read().split()]
if not keys or any(key.startswith("-") for key in keys):
    sys.exit("the Secret holds no API key, or one that begins with '-'; nobody could be refused")
os.umask(0o077)
with open(target, "w") as file:
    json.dump({"api-key": keys}, file)
"""
"""The init container's program: vLLM lets everybody in with an empty list, and JSON is YAML."""

_SOURCE = "/run/api-keys"
_FOLDER = str(PurePosixPath(API_KEY_FILE).parent)
_READ_BY_GROUP = 0o440
_SOURCE_VOLUME, _FILE_VOLUME = "api-keys", "api-keys-file"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeys:
    """The Secret that the server's keys are read from, and the entries that hold them."""

    secret: pulumi.Input[str]
    entries: tuple[str, ...]


def server_keys_args(plan: Plan, keys: pulumi.Input[str]) -> SecretInitArgs:
    """Build the Secret that the server reads, nameless: other keys are another Secret and a roll.

    Its values are base64, as a refresh finds them, so that they can be compared with those that
    were generated before.
    """
    return SecretInitArgs(
        metadata=ObjectMetaArgs(namespace=plan.names.namespace, labels=_labels(plan)),
        data=pulumi.Output.secret(keys).apply(
            lambda text: {ALL_API_KEYS: _base64("\n".join(split_api_keys(text)))}
        ),
    )


def client_key_args(plan: Plan, auth: ApiKeyAuth, server: pulumi.Output[Any]) -> SecretInitArgs:
    """Build the Secret with the first key, of a fixed name, for clients in the cluster.

    Args:
        plan: the plan.
        auth: how the Secret and its entry are called.
        server: the values of the Secret that the server reads.
    """
    key = auth.key
    return SecretInitArgs(
        metadata=ObjectMetaArgs(
            name=auth.secret_name, namespace=plan.names.namespace, labels=_labels(plan)
        ),
        data=pulumi.Output.secret(server).apply(
            lambda values: {key: _base64(_first_key(values[ALL_API_KEYS]))}
        ),
    )


def _first_key(value: str) -> str:
    return base64.b64decode(value).decode().split("\n", 1)[0]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _labels(plan: Plan) -> dict[str, str]:
    return object_labels(plan, "authentication")


def writing_container(plan: Plan, keys: ApiKeys) -> ContainerArgs:
    """Build the init container that writes the server's file."""
    sources = [f"{_SOURCE}/{entry}" for entry in keys.entries]
    return ContainerArgs(
        name="api-keys",
        image=plan.server.image,
        command=["python3", "-c", WRITE_KEYS],
        args=[API_KEY_FILE, *sources],
        resources=ResourceRequirementsArgs(
            requests={"cpu": "100m", "memory": "64Mi"}, limits={"memory": "256Mi"}
        ),
        security_context=container_security_args(),
        termination_message_policy="FallbackToLogsOnError",
        volume_mounts=[
            VolumeMountArgs(name=_SOURCE_VOLUME, mount_path=_SOURCE, read_only=True),
            VolumeMountArgs(name=_FILE_VOLUME, mount_path=_FOLDER),
        ],
    )


def api_key_mounts() -> list[VolumeMountArgs]:
    """Say where the server finds its file."""
    return [VolumeMountArgs(name=_FILE_VOLUME, mount_path=_FOLDER, read_only=True)]


def api_key_volumes(keys: ApiKeys) -> list[VolumeArgs]:
    """Build the volumes of the Secret's entries and of the server's file."""
    items = [KeyToPathArgs(key=entry, path=entry) for entry in keys.entries]
    return [
        VolumeArgs(
            name=_SOURCE_VOLUME,
            secret=SecretVolumeSourceArgs(
                secret_name=keys.secret, items=items, default_mode=_READ_BY_GROUP
            ),
        ),
        VolumeArgs(
            name=_FILE_VOLUME,
            empty_dir=EmptyDirVolumeSourceArgs(medium="Memory", size_limit="1Mi"),
        ),
    ]
