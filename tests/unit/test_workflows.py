"""The workflows: pinned actions, no privilege too many, no way in for a script injection."""

import re
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from tools.locate import MissingTool, program
from tools.pins import released_version

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"[\w.-]+/[\w./-]+@(?P<sha>[0-9a-f]{40}) # (?P<version>v\d+\.\d+\.\d+)")

OWN = {f"./{path.relative_to(ROOT)}" for path in WORKFLOWS}
"""Workflows of this repository, which have the commit of the one that calls them."""

Document = dict[Any, Any]

every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def unpinned(text: str) -> list[str]:
    uses = re.findall(r"^\s*-?\s*uses:\s*(.+?)\s*$", text, re.M)
    return [value for value in uses if not PINNED.fullmatch(value) and value not in OWN]


def load(text: str) -> Document:
    return cast("Document", yaml.safe_load(text))


def steps(document: Document) -> list[Document]:
    return [step for job in document["jobs"].values() for step in job.get("steps", ())]


def scripts_with_expressions(document: Document) -> list[str]:
    return [step["run"] for step in steps(document) if "${{" in step.get("run", "")]


def excess_permissions(document: Document, needed: dict[str, str]) -> list[str]:
    found: list[str] = []
    if document.get("permissions") != {}:
        found.append("the workflow itself has permissions")
    for name, job in document["jobs"].items():
        granted = job.get("permissions")
        if granted != {"contents": "read"} | needed:
            found.append(f"job {name} has {granted}")
    return found


def read(name: str) -> Document:
    return load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))


def only_job(name: str) -> Document:
    (job,) = [job for job in read(name)["jobs"].values() if "steps" in job]
    return job


def pulumi_steps(name: str) -> list[Document]:
    return [
        step
        for step in only_job(name)["steps"]
        if step.get("uses", "").startswith("pulumi/actions@")
    ]


@every_workflow
def test_every_action_is_pinned_by_commit_with_its_version_beside_it(path: Path) -> None:
    assert unpinned(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "value",
    [
        "actions/checkout@v5",
        "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8",
        "actions/checkout@08c6903 # v5.0.0",
    ],
)
def test_a_tag_a_short_commit_or_a_missing_version_is_no_pin(value: str) -> None:
    assert unpinned(f"    steps:\n      - uses: {value}\n") == [value]


def test_an_action_has_one_version_in_all_workflows() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    pins = set(re.findall(r"uses: (\S+?)@(\S+ # \S+)", text))
    actions = [action for action, _ in pins]
    assert sorted(actions) == sorted(set(actions))


@every_workflow
def test_permissions_are_no_more_than_each_job_needs(path: Path) -> None:
    needed = {"pull-requests": "write"} if path.stem == "preview" else {}
    assert excess_permissions(load(path.read_text(encoding="utf-8")), needed) == []


@pytest.mark.parametrize("line", ["", "permissions: write-all", "permissions: {contents: read}"])
def test_permissions_left_to_the_default_or_to_the_workflow_are_found(line: str) -> None:
    assert excess_permissions(load(f"{line}\njobs: {{test: {{steps: []}}}}"), {}) != []


@every_workflow
def test_no_workflow_gives_the_target_repositorys_secrets_to_a_pull_request(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    # YAML 1.1 reads the key `on` as true.
    triggers = set(load(text)[True])
    assert triggers <= {"push", "pull_request", "workflow_call"}
    assert triggers
    # One that is called has the secrets that its caller hands over.
    assert not [job for job in load(text)["jobs"].values() if "secrets" in job]


@every_workflow
def test_no_expression_and_so_no_secret_stands_in_a_script(path: Path) -> None:
    assert scripts_with_expressions(load(path.read_text(encoding="utf-8"))) == []


def test_an_expression_in_a_script_is_found() -> None:
    script = "echo ${{ github.event.pull_request.title }}"
    document = {"jobs": {"test": {"steps": [{"run": script}, {"uses": "a/b@c"}]}}}
    assert scripts_with_expressions(document) == [script]


def test_the_tests_run_in_a_workflow_without_secrets() -> None:
    assert {"run": ".ci/run"} in steps(read("test"))
    assert "secrets." not in (ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8")


def test_a_fork_gets_no_preview() -> None:
    condition = only_job("preview")["if"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in condition
    assert "||" not in condition


def test_each_previewed_or_deployed_stack_has_a_stack_file() -> None:
    previewed = only_job("preview")["strategy"]["matrix"]["stack"]
    (deployed,) = only_job("deploy")["strategy"]["matrix"]["stack"]
    stacks = {*previewed, *re.findall(r"'(\w+)'", deployed.partition("&&")[2])}
    assert stacks == {"staging", "prod"}
    assert [name for name in stacks if not (ROOT / f"Pulumi.{name}.yaml").is_file()] == []


def test_a_preview_shows_each_stacks_diff_in_a_comment_of_its_own() -> None:
    (step,) = pulumi_steps("preview")
    assert step["with"]["command"] == "preview"
    assert step["with"]["stack-name"] == "${{ matrix.stack }}"
    assert step["with"]["comment-on-pr"] is True
    assert step["with"]["diff"] is True


def test_nothing_is_deployed_that_did_not_pass_every_test() -> None:
    jobs = read("deploy")["jobs"]
    assert jobs["deploy"]["needs"] == "test"
    assert jobs["test"]["uses"] == "./.github/workflows/test.yml"
    assert "if" not in jobs["test"]
    # A condition with a status function would run the job after a failure as well.
    assert not re.search(r"always\(|failure\(|cancelled\(", jobs["deploy"]["if"])


def test_a_push_is_tested_by_the_workflow_that_deploys_it_and_so_only_once() -> None:
    assert [path.stem for path in WORKFLOWS if "push" in read(path.stem)[True]] == ["deploy"]
    assert {"pull_request", "workflow_call"} == set(read("test")[True])


def test_a_running_update_is_never_cancelled() -> None:
    concurrency = only_job("deploy")["concurrency"]
    assert concurrency == {"group": "deploy-${{ matrix.stack }}", "cancel-in-progress": False}


def test_a_deployment_waits_for_the_approval_of_its_environment() -> None:
    assert only_job("deploy")["environment"] == "${{ matrix.stack }}"


def test_an_update_must_leave_nothing_to_change() -> None:
    up, preview = pulumi_steps("deploy")
    assert up["with"]["command"] == "up"
    assert preview["with"]["command"] == "preview"
    assert preview["with"]["expect-no-changes"] is True
    assert up["env"] == preview["env"]


def test_the_engine_has_the_same_version_here_there_and_in_the_sdk() -> None:
    version = (ROOT / ".pulumi.version").read_text(encoding="utf-8").strip()
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert f"pulumi=={version}" in requirements
    assert released_version("pulumi", "github.com/pulumi/pulumi/pkg/v3") == version
    files = {step["with"]["pulumi-version-file"] for step in pulumi_steps("deploy")}
    assert files == {".pulumi.version"}


def test_the_static_checks_lint_the_workflows() -> None:
    checks = (ROOT / ".ci" / "checks").read_text(encoding="utf-8")
    assert re.search(r"^check actionlint ", checks, re.M)


def test_actionlint_refuses_a_script_injection(tmp_path: Path) -> None:
    try:
        actionlint = program("actionlint")
    except MissingTool as missing:
        pytest.skip(str(missing))
    workflow = tmp_path / "injection.yml"
    workflow.write_text(
        "on: pull_request\n"
        "jobs:\n"
        "  test:\n"
        "    runs-on: ubuntu-24.04\n"
        "    steps:\n"
        '      - run: echo "${{ github.event.pull_request.title }}"\n',
        encoding="utf-8",
    )
    command = [str(actionlint), "-no-color", "-shellcheck=", "-pyflakes=", str(workflow)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "potentially untrusted" in done.stdout
