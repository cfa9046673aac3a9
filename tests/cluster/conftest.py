"""Fixtures of the cluster tests."""

from collections.abc import Iterator

import pytest

from tests.cluster.sandboxes import Sandbox, new_sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """Control plane and simulated nodes."""
    with new_sandbox() as made:
        made.start("core")
        yield made


@pytest.fixture(scope="session")
def full_sandbox() -> Iterator[Sandbox]:
    """KEDA, the HTTP add-on and Traefik as well, and a process that answers for every pod."""
    with new_sandbox() as made:
        made.start("full")
        yield made


@pytest.fixture
def unstarted_sandbox() -> Iterator[Sandbox]:
    """One for tests of starting and stopping."""
    with new_sandbox() as made:
        yield made
