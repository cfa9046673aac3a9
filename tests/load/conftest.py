"""Fixtures of the load tests, and the summary of what they measured."""

from collections.abc import Iterator

import pytest

from tests.cluster.sandboxes import Sandbox, new_sandbox

_FIGURES = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run draw the chart of the documentation."""
    parser.addoption(
        "--draw", action="store_true", help="write docs/autoscaling.png from what was measured"
    )


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Show all figures at the end, where pytest does not hide them as it does a print."""
    if figures := config.stash.setdefault(_FIGURES, []):
        terminalreporter.section("measured under load")
        for figure in figures:
            terminalreporter.write_line(figure)


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> list[str]:
    """Lines that the summary of the run shows."""
    return pytestconfig.stash.setdefault(_FIGURES, [])


@pytest.fixture(scope="session")
def loaded_sandbox() -> Iterator[Sandbox]:
    """The full tier with a Prometheus, and nothing else in it."""
    with new_sandbox() as made:
        made.run("start", "full", "--with", "prometheus")
        yield made
