"""The documents say what the code does: their tables, commands, keys, examples, paths and links."""

import json
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs import generate, tables
from settings.parse import parse
from settings.secret_keys import SECRET_KEYS
from settings.stack_files import PROJECT

ROOT = Path(__file__).resolve().parents[2]


FOLDERS = (".", "docs", "docs/adr", "examples", "sandbox", "tools")
TEXTS = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for folder in FOLDERS
    for path in sorted((ROOT / folder).glob("*.md"))
}
"""Every document by its path."""


def found_in_documents(check: Callable[[str], Collection[str]]) -> dict[str, Collection[str]]:
    return {path: found for path, text in TEXTS.items() if (found := check(text))}


@pytest.fixture(autouse=True)
def in_the_projects_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def code(text: str) -> str:
    """What stands in fences and in backticks."""
    fences = re.findall(r"^```.*?\n(.*?)^```", text, re.M | re.S)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return "\n".join([*fences, *re.findall(r"`([^`\n]+)`", prose)])


def unknown_targets(text: str) -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.M))
    named = re.findall(r"\bmake +(?:(?:-\w+|[A-Z]+=\S+) +)*([a-z][a-z-]*)\b(?!=)", code(text))
    return set(named) - targets


def named_keys(text: str) -> set[str]:
    """Config keys: those set by a command or in YAML, and what looks like a nested one in prose."""
    flags = r"(?:--?[\w-]+(?:[= ](?:dev|staging|prod))?\s+)*"
    commands = re.findall(rf"pulumi config (?:set|rm|get) {flags}['\"]?([\w.\[\]]+)", code(text))
    prefixed = re.findall(rf"\b{PROJECT}:([\w.\[\]]+)", text)
    sections = {key.partition(".")[0] for key in tables.config_keys() if "." in key}
    dotted = re.findall(r"`([a-zA-Z]+(?:\.[a-zA-Z]+)+)`", text)
    return {*commands, *prefixed, *(key for key in dotted if key.partition(".")[0] in sections)}


def unknown_keys(text: str) -> set[str]:
    leaves = [re.sub(r"\[\d*\]", "[]", key) for key in tables.config_keys()]
    known = {prefix for key in leaves for prefix in prefixes(key)}
    return {key for key in named_keys(text) if re.sub(r"\[\d*\]", "[]", key) not in known}


def prefixes(key: str) -> Iterator[str]:
    """`a.b` and `a` of `a.b`, `a[].b`, `a[]` and `a` of `a[].b`."""
    yield key
    for match in re.finditer(r"\[\]|\.", key):
        yield key[: match.start()]
        yield key[: match.end()].rstrip(".")


def stack_examples(text: str) -> Iterator[dict[str, Any]]:
    """What examples of a stack file set."""
    for block in re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S):
        example = yaml.safe_load(block)
        if "apiVersion" not in example:  # That is an object for the cluster.
            yield {key.removeprefix(f"{PROJECT}:"): keys for key, keys in example.items()}


def missing_files(text: str) -> list[str]:
    """Paths of this repository in backticks that are not there."""
    tops = {path.name for path in ROOT.iterdir()} - {".state"}
    paths = re.findall(r"`([\w.-]+/[\w./-]*)`", text)
    return [path for path in paths if path.partition("/")[0] in tops and not (ROOT / path).exists()]


def broken_links(text: str, folder: Path) -> list[str]:
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    local = (target for target in targets if not re.match(r"[a-z]+:", target))
    return [target for target in local if leads_nowhere(target, text, folder)]


def leads_nowhere(target: str, text: str, folder: Path) -> bool:
    path, _, anchor = target.partition("#")
    if not (folder / path).exists():
        return True
    there = (folder / path).read_text(encoding="utf-8") if path and anchor else text
    headings = {slug(heading) for heading in re.findall(r"^#+\s+(.+?)\s*$", there, re.M)}
    return bool(anchor) and anchor not in headings


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_table_is_what_the_code_says() -> None:
    assert found_in_documents(generate.outdated) == {}, "run python -m docs.generate"


def test_every_table_stands_in_one_document_that_is_written_anew() -> None:
    written = {str(path.relative_to(ROOT)) for path in generate.DOCUMENTS}
    marked = {path: re.findall(r"<!-- table:(\w+) -->", text) for path, text in TEXTS.items()}
    assert {path for path, names in marked.items() if names} <= written
    assert sorted(name for names in marked.values() for name in names) == sorted(tables.NAMES)


def test_every_make_target_that_is_named_exists() -> None:
    assert found_in_documents(unknown_targets) == {}


def test_every_config_key_that_is_named_exists() -> None:
    unknown = found_in_documents(unknown_keys)
    # The consumer is another project, with keys of its own.
    assert unknown.keys() - {"examples/README.md"} == set(), unknown


def test_every_path_that_is_named_exists() -> None:
    assert found_in_documents(missing_files) == {}


def test_every_folder_is_in_the_readme() -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] not in "._"}
    table = TEXTS["README.md"].partition("## How it is built")[2]
    assert {name for name in folders if f"`{name}/`" not in table} == set()


def test_every_module_of_the_planning_is_in_the_tables_of_contributing() -> None:
    modules = {path.name for path in (ROOT / "planning").glob("*.py")} - {"__init__.py"}
    rows = [line for line in TEXTS["CONTRIBUTING.md"].splitlines() if line.startswith("|")]
    named = set(re.findall(r"`planning/(\w+\.py)`", "\n".join(rows)))
    assert named == modules


def test_the_readme_asks_for_the_go_that_every_module_accepts() -> None:
    modules = (path.read_text(encoding="utf-8") for path in ROOT.glob("tools/*/go.mod"))
    asked = [re.findall(r"^go (\S+)$", module, re.M)[0] for module in modules]
    newest = max(asked, key=lambda version: [int(part) for part in version.split(".")])
    assert f"needs Go {newest} or newer" in TEXTS["README.md"]


def test_every_example_of_a_stack_file_is_free_of_mistakes() -> None:
    needed = {"model": "mistral-7b-instruct", "presets": "presets/example.yaml"}
    needed |= {"kubernetes": {"context": "any"}, "ingress": {"enabled": False}}
    examples = [keys for text in TEXTS.values() for keys in stack_examples(text)]
    assert len(examples) >= 4
    for keys in examples:
        asked = needed | keys
        raw = {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in asked.items()
        }
        assert parse(raw, secret=frozenset()).mistakes == (), keys


@pytest.mark.parametrize("path", TEXTS)
def test_every_relative_link_resolves(path: str) -> None:
    assert broken_links(TEXTS[path], (ROOT / path).parent) == []


def test_every_secret_key_is_documented() -> None:
    assert set(tables.config_keys()) >= SECRET_KEYS.keys()


def test_every_key_of_the_committed_stacks_is_documented() -> None:
    for path in ROOT.glob("Pulumi.*.yaml"):
        assert unknown_keys(path.read_text(encoding="utf-8")) == set(), path.name


def test_a_table_is_written_once_and_then_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "README.md"
    document.write_text("before\n<!-- table:dependencies -->\nold\n<!-- /table -->\nafter\n")
    assert generate.main(["--check"], documents=[document]) == 1
    assert "dependencies; run python -m docs.generate" in capsys.readouterr().err
    assert "old" in document.read_text()
    assert generate.main([], documents=[document]) == 0
    written = document.read_text()
    assert "| pulumi | 3.259.0 |" in written
    assert written.startswith("before\n")
    assert written.endswith("<!-- /table -->\nafter\n")
    assert generate.main(["--check"], documents=[document]) == 0
    assert generate.main([], documents=[document]) == 0
    assert document.read_text() == written


@pytest.mark.parametrize(
    "text",
    [
        "<!-- table:nothing -->\n<!-- /table -->",
        "<!-- table:config -->\n",
        "<!-- /table -->\n",
        "<!-- table:config -->\n<!-- table:models -->\n<!-- /table -->",
        "<!-- table:config --> on the same line <!-- /table -->",
    ],
)
def test_a_wrong_marker_is_refused_and_nothing_is_written(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "README.md"
    document.write_text(text)
    assert generate.main([], documents=[document]) == 1
    assert capsys.readouterr().err.startswith("README.md: ")
    assert document.read_text() == text


def test_a_missing_document_is_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate.main(["--check"], documents=[tmp_path / "README.md"]) == 1
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "`make nothing`",
        "`make STACK=prod nothing`",
        "```sh\nmake -s nothing STACK=dev\n```",
        '```sh\neval "$(make -s nothing)"\n```',
    ],
)
def test_a_target_that_is_not_there_is_found(text: str) -> None:
    assert unknown_targets(text) == {"nothing"}


def test_a_target_that_is_there_and_plain_words_are_not_found() -> None:
    text = "These make sense.\n```sh\nmake up SANDBOX=full\nmake STACK=staging preview\n```"
    assert unknown_targets(text) == set()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("`pulumi config set modle mistral-7b`", "modle"),
        ("```sh\npulumi config set --secret --stack prod token\n```", "token"),
        ("```sh\npulumi config set --path 'cache.sise' 80Gi\n```", "cache.sise"),
        ("```yaml\nmistral-vllm:replica: 2\n```", "replica"),
        ("set `autoscaling.maximum` to 3", "autoscaling.maximum"),
    ],
)
def test_a_key_that_is_not_there_is_found(text: str, key: str) -> None:
    assert unknown_keys(text) == {key}


def test_a_key_that_is_there_is_not_found() -> None:
    text = (
        "`pulumi config set --path presets[0].pool.nodeSelector x`, `cache.size`, `model.json`,"
        "\nmistral-vllm:cache: {}\n"
    )
    assert unknown_keys(text) == set()


def test_a_link_to_nowhere_is_found() -> None:
    text = (
        "# A `heading`, here\n[a](#a-heading-here) [b](LICENSE) [c](https://example.com/x#y)\n"
        "[d](docs/nothing.md) [e](#nothing)"
    )
    assert broken_links(text, ROOT) == ["docs/nothing.md", "#nothing"]


def test_a_path_to_nowhere_is_found() -> None:
    text = "`planning/nothing.py` `planning/plan.py` `docs/adr/` `nvidia.com/gpu` `/metrics`"
    assert missing_files(text) == ["planning/nothing.py"]


def test_a_link_to_a_heading_of_another_document_is_checked() -> None:
    text = "[a](README.md#operations) [b](README.md#nothing)"
    assert broken_links(text, ROOT) == ["README.md#nothing"]
