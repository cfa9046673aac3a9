"""The README says what the code does: its tables, its commands, its keys and its links."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs import generate, tables
from settings.secret_keys import SECRET_KEYS
from settings.stack_files import PROJECT

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


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
    named = re.findall(r"\bmake\s+(?:(?:-\w+|[A-Z]+=\S+)\s+)*([a-z][a-z-]*)\b(?!=)", code(text))
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


def broken_links(text: str, folder: Path) -> list[str]:
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    headings = {slug(heading) for heading in re.findall(r"^#+\s+(.+?)\s*$", text, re.M)}
    broken: list[str] = []
    for target in targets:
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        if (path and not (folder / path).exists()) or (not path and anchor not in headings):
            broken.append(target)
    return broken


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_table_is_what_the_code_says(readme: str) -> None:
    assert generate.outdated(readme) == [], "run python -m docs.generate"


def test_every_table_is_in_the_readme(readme: str) -> None:
    named = re.findall(r"<!-- table:(\w+) -->", readme)
    assert sorted(named) == sorted(tables.NAMES)


def test_every_make_target_named_in_the_readme_exists(readme: str) -> None:
    assert unknown_targets(readme) == set()


def test_every_config_key_named_in_the_readme_exists(readme: str) -> None:
    assert unknown_keys(readme) == set()


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_every_relative_link_resolves(name: str) -> None:
    assert broken_links((ROOT / name).read_text(encoding="utf-8"), ROOT) == []


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
    assert generate.main(["--check"], document=document) == 1
    assert "dependencies; run python -m docs.generate" in capsys.readouterr().err
    assert "old" in document.read_text()
    assert generate.main([], document=document) == 0
    written = document.read_text()
    assert "| pulumi | 3.259.0 |" in written
    assert written.startswith("before\n")
    assert written.endswith("<!-- /table -->\nafter\n")
    assert generate.main(["--check"], document=document) == 0
    assert generate.main([], document=document) == 0
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
    assert generate.main([], document=document) == 1
    assert capsys.readouterr().err.startswith("README.md: ")
    assert document.read_text() == text


def test_a_missing_document_is_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate.main(["--check"], document=tmp_path / "README.md") == 1
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
