"""How the server gets its API keys: from a Secret, through a file of vLLM's own form.

`VLLM_API_KEY` holds one key and `--api-key` puts several into the process list, so an init
container writes them where `vllm serve --config` reads them, into memory.
"""

from __future__ import annotations

from pathlib import PurePosixPath

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

from manifests.security import container_security_args
from planning.api_keys import API_KEY_FILE, split_api_keys
from planning.auth import ALL_API_KEYS, API_KEY, ApiKeyAuth
from planning.names import image_version, labels
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
_READ_BY_GROUP = 0o440
_SOURCE_VOLUME, _FILE_VOLUME = "api-keys", "api-keys-file"


def api_key_secret_args(plan: Plan, auth: ApiKeyAuth, keys: pulumi.Input[str]) -> SecretInitArgs:
    """Build the Secret of the keys that the stack config holds, or that were made for it."""
    version = image_version(plan.server.image)
    return SecretInitArgs(
        metadata=ObjectMetaArgs(
            name=auth.secret_name,
            namespace=plan.names.namespace,
            labels=labels(plan.names, "server", version=version, extra=plan.extra_labels),
        ),
        string_data=pulumi.Output.secret(keys).apply(api_key_entries),
    )


def api_key_entries(text: str) -> dict[str, str]:
    """Give the entries of the Secret: the key that clients use, and all of them for the server."""
    keys = split_api_keys(text)
    return {API_KEY: keys[0], ALL_API_KEYS: "\n".join(keys)}


def writing_containers(plan: Plan) -> list[ContainerArgs] | None:
    """Build the init container that writes the server's file; none without API keys."""
    if not isinstance(plan.auth, ApiKeyAuth):
        return None
    folder = PurePosixPath(API_KEY_FILE).parent
    sources = [f"{_SOURCE}/{entry}" for entry in plan.auth.entries]
    return [
        ContainerArgs(
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
                VolumeMountArgs(name=_FILE_VOLUME, mount_path=str(folder)),
            ],
        )
    ]


def api_key_mounts(plan: Plan) -> list[VolumeMountArgs]:
    """Say where the server finds its file."""
    if not isinstance(plan.auth, ApiKeyAuth):
        return []
    folder = str(PurePosixPath(API_KEY_FILE).parent)
    return [VolumeMountArgs(name=_FILE_VOLUME, mount_path=folder, read_only=True)]


def api_key_volumes(plan: Plan) -> list[VolumeArgs]:
    """Build the volumes of the Secret's entries and of the server's file."""
    if not isinstance(plan.auth, ApiKeyAuth):
        return []
    items = [KeyToPathArgs(key=entry, path=entry) for entry in plan.auth.entries]
    return [
        VolumeArgs(
            name=_SOURCE_VOLUME,
            secret=SecretVolumeSourceArgs(
                secret_name=plan.auth.secret_name, items=items, default_mode=_READ_BY_GROUP
            ),
        ),
        VolumeArgs(
            name=_FILE_VOLUME,
            empty_dir=EmptyDirVolumeSourceArgs(medium="Memory", size_limit="1Mi"),
        ),
    ]
