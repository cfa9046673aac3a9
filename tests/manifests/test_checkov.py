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

EXPLAINED = re.compile(r"^\| (CKV\w+), ", re.M)
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


def rendered(folder: Path, **keys: object) -> Path:
    """Objects of a stack as files; a Secret's values are no text before there is an engine."""
    for request in run_stack_file("dev", keys).requests:
        if request.custom and "apiVersion" in request.inputs and request.type[-7:] != ":Secret":
            file = folder / f"{request.name}.yaml"
            file.write_text(yaml.safe_dump(whole_numbers(request.inputs)))
    return folder


def failed_checks(folder: Path) -> dict[str, str]:
    """The checks that failed, each with an object; without any network."""
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
    return {check["check_id"]: check["resource"] for check in report["results"]["failed_checks"]}


def test_every_finding_of_checkov_is_explained_and_no_explanation_is_stale(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "checkov.md").read_text(encoding="utf-8")
    found = failed_checks(FOLDER) | failed_checks(rendered(tmp_path, ingress=TOKENS))
    assert sorted(found) == sorted(EXPLAINED.findall(text)), found


def test_without_policies_checkov_finds_pods_that_nothing_protects(tmp_path: Path) -> None:
    assert "CKV2_K8S_6" in failed_checks(rendered(tmp_path, network={"enabled": False}))
