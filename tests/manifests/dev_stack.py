"""The dev stack with some of its keys replaced, and the server's pod in it."""

from typing import Any

from tests.program.recording import Recording, run_stack_file


def dev(**overrides: object) -> Recording:
    """Run the dev stack with keys replaced."""
    return run_stack_file("dev", overrides)


def pod_spec(recording: Recording) -> dict[str, Any]:
    return recording.only(":Deployment").inputs["spec"]["template"]["spec"]


def container(recording: Recording) -> dict[str, Any]:
    (only,) = pod_spec(recording)["containers"]
    return only
