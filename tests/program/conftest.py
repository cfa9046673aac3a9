"""What keeps every run of the program away from clusters."""

import pytest


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """No context exists, so no test reaches a cluster of the machine."""
    monkeypatch.setenv("KUBECONFIG", "/nonexistent/kubeconfig")
