"""Which of the server's variables a transfer of the model's files heeds."""

from __future__ import annotations

from planning.plan import Plan, SecretVariable

_CERTIFICATES = frozenset({"CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE"})


def is_for_transfers(variable: str) -> bool:
    """Tell whether huggingface_hub, a proxy or certificates of either are set by a variable."""
    return (
        variable.startswith("HF_")
        or variable == "HOME"
        or variable in _CERTIFICATES
        or variable.lower().endswith("_proxy")
    )


def transfer_secrets(plan: Plan) -> tuple[SecretVariable, ...]:
    """Give the variables of the download Job whose values Secrets hold."""
    return tuple(source for source in plan.server.secret_env if is_for_transfers(source.variable))
