"""What is deployed, reviewed as files: one golden set for each vendor and storage."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.golden.sets import FOLDER, SETS, GoldenSet, kept, rendered
from tests.golden.typed import MODULES, deviations

ADD_ON = {"InterceptorRoute", "ScaledObject"}
"""Kinds of KEDA and its HTTP add-on; the API server checks those in the cluster tests."""


def documents(golden: GoldenSet) -> list[dict[str, Any]]:
    return [yaml.safe_load(text) for text in kept(golden.folder).values()]


def pod_template(golden: GoldenSet) -> dict[str, Any]:
    (found,) = [d for d in documents(golden) if d["kind"] == "Deployment"]
    return found["spec"]["template"]


@pytest.mark.engine
@pytest.mark.parametrize("golden", SETS, ids=lambda golden: golden.name)
def test_the_engine_renders_the_golden_set(golden: GoldenSet, tmp_path: Path) -> None:
    made = rendered(golden, tmp_path)
    assert made == kept(golden.folder), "review the change, then run python -m tests.golden"


def test_no_set_is_kept_that_nothing_renders() -> None:
    folders = {path.name for path in FOLDER.iterdir() if any(path.glob("*.yaml"))}
    assert folders == {golden.name for golden in SETS}


@pytest.mark.parametrize("golden", SETS, ids=lambda golden: golden.name)
def test_every_manifest_reads_back_as_its_kubernetes_type(golden: GoldenSet) -> None:
    found = documents(golden)
    assert {d["kind"] for d in found if d["apiVersion"] not in MODULES} <= ADD_ON
    typed = [d for d in found if d["apiVersion"] in MODULES]
    assert {"Deployment", "Service", "ServiceAccount", "Namespace"} <= {d["kind"] for d in typed}
    assert [line for d in typed for line in deviations(d)] == []


def test_an_unknown_field_and_a_wrong_type_are_found() -> None:
    (deployment,) = [d for d in documents(SETS[0]) if d["kind"] == "Deployment"]
    wrong = copy.deepcopy(deployment)
    wrong["spec"]["replicas"] = "1"
    wrong["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    assert deviations(wrong) == [
        "Deployment.spec.replicas: '1' is no int",
        "Deployment.spec.template.spec.containers[0].readynessProbe: Container has no such field",
    ]


@pytest.mark.parametrize("golden", SETS, ids=lambda golden: golden.name)
def test_the_model_s_files_are_where_the_server_looks_for_them(golden: GoldenSet) -> None:
    template = pod_template(golden)
    (container,) = template["spec"]["containers"]
    home = next(v["value"] for v in container["env"] if v["name"] == "HF_HOME")
    mounts = [m["name"] for m in container["volumeMounts"] if m["mountPath"] == home]
    annotations = template["metadata"].get("annotations", {})
    if golden.storage == "apolo":
        assert f'"mount_path": "{home}"' in annotations["platform.apolo.us/inject-storage"]
        assert mounts == []
        return
    (volume,) = [v for v in template["spec"]["volumes"] if [v["name"]] == mounts]
    sources = {"pvc": "persistentVolumeClaim", "existingClaim": "persistentVolumeClaim"}
    source = sources.get(golden.storage, golden.storage)
    assert set(volume) == {"name", source.replace("none", "emptyDir")}
