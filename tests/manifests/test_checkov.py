"""What checkov finds in the manifests is what docs/checkov.md explains, no more and no less."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.golden.sets import FOLDER
from tests.manifests.network_pairs import whole_numbers
from tests.program.recording import ROOT, run_stack_file
from tools.locate import program

EXPLAINED = re.compile(r"^\| (?P<check>CKV\w+), [^|]*\| (?P<objects>[^|]*) \|", re.M)
COMPONENT = "app.kubernetes.io/component"
NOWHERE = "http://127.0.0.1:1"
TOKENS = {
    "host": "llm.example.com",
    "auth": {
        "kind": "oidc",
        "issuer": "https://login.example.com",
        "clientId": "llm",
        "secretName": "llm-client",
    },
}
KEYS = {"host": "llm.example.com", "auth": "apiKey"}
STACKS: dict[str, dict[str, object]] = {
    "tokens": {"ingress": TOKENS},
    "keys": {"ingress": KEYS, "huggingFaceTokenSecret": {"name": "token"}},
}
"""What is rendered beside the golden sets, which have neither authentication nor token."""

Found = set[tuple[str, str]]
"""Checks, each with an object that fails it, such as `Deployment of server`."""


def rendered(folder: Path, **keys: object) -> Path:
    """Objects of a stack as files; a Secret's values are no text before there is an engine."""
    for request in run_stack_file("dev", keys).requests:
        if request.custom and "apiVersion" in request.inputs and request.type[-7:] != ":Secret":
            file = folder / f"{request.name}.yaml"
            file.write_text(yaml.safe_dump(whole_numbers(request.inputs)))
    return folder


def failed_checks(folder: Path) -> Found:
    """The checks that failed, without any network."""
    flags = ["--framework", "kubernetes", "--quiet", "--compact", "--output", "json"]
    done = subprocess.run(
        [str(program("checkov")), "--directory", str(folder), *flags, "--skip-download"],
        env=os.environ | {"HTTPS_PROXY": NOWHERE, "HTTP_PROXY": NOWHERE, "LOG_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.stdout.lstrip().startswith("{"), done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    return {
        (check["check_id"], kind_of(folder / check["file_path"].lstrip("/")))
        for check in report["results"]["failed_checks"]
    }


def kind_of(file: Path) -> str:
    """The kind of a manifest's object, and the app's component that it belongs to."""
    found = yaml.safe_load(file.read_text(encoding="utf-8"))
    return f"{found['kind']} of {found['metadata']['labels'][COMPONENT]}"


def explained() -> Found:
    """What docs/checkov.md explains."""
    text = (ROOT / "docs" / "checkov.md").read_text(encoding="utf-8")
    return {
        (row["check"], each)
        for row in EXPLAINED.finditer(text)
        for each in row["objects"].split(", ")
    }


def test_every_finding_of_checkov_is_explained_and_no_explanation_is_stale(tmp_path: Path) -> None:
    found = failed_checks(FOLDER)
    for name, keys in STACKS.items():
        folder = tmp_path / name
        folder.mkdir()
        found |= failed_checks(rendered(folder, **keys))
    assert found == explained()


def test_without_policies_checkov_finds_pods_that_nothing_protects(tmp_path: Path) -> None:
    found = failed_checks(rendered(tmp_path, network={"enabled": False}))
    assert "CKV2_K8S_6" in {check for check, _ in found}
