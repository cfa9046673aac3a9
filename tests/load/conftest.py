"""Fixtures of the load tests."""

from collections.abc import Iterator

import pytest

from tests.cluster.sandboxes import Sandbox, new_sandbox


@pytest.fixture(scope="session")
def loaded_sandbox() -> Iterator[Sandbox]:
    """The full tier with a Prometheus, and nothing else in it."""
    with new_sandbox() as made:
        made.run("start", "full", "--with", "prometheus")
        yield made
