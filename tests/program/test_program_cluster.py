"""What the real program does with a cluster that does not answer."""

from pathlib import Path

import pytest

from cluster import retries
from settings.pulumi_config import ConfigError
from tests.program.recording import run_stack_file

AWAY = """\
clusters: [{name: away, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: mistral-vllm-sandbox, context: {cluster: away, user: anyone}}]
users: [{name: anyone, user: {}}]
"""


def test_a_cluster_that_does_not_answer_refuses_an_update_and_no_preview(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(AWAY)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.setattr(retries, "PAUSES", ())
    with pytest.raises(ConfigError, match=r"kubernetes\.context: the API server cannot be reached"):
        run_stack_file("dev")
    warnings = run_stack_file("dev", preview=True).warnings()
    assert any("the plan was not checked against its cluster" in text for text in warnings)
