"""Secrets whose text no header can carry, said before anything is made of them."""

from __future__ import annotations

import pytest

from tests.unit.test_settings import mistakes

OIDC = (
    '{"host": "llm.example.com", "auth": {"kind": "oidc", "issuer": "https://login.example.com", '
    '"clientId": "llm"}}'
)


def found(key: str, value: str) -> list[str]:
    auth = {"ingress": OIDC} if key == "oidcClientSecret" else {}
    return mistakes(auth | {key: value}, secret=(key,))


@pytest.mark.parametrize("value", ["hf_Not Real", "hf_Not\nReal", "hf_Größe", "hf_Real\0", "a\tb"])
def test_a_token_that_no_header_can_carry_is_refused_and_never_repeated(value: str) -> None:
    (line,) = found("huggingFaceToken", value)
    assert line.startswith("huggingFaceToken: holds what no header may; ")
    assert "Real" not in line


@pytest.mark.parametrize("value", ["correct\nhorse", "correct\n", "hörse", "correct\0horse"])
def test_a_client_secret_that_no_issuer_gives_is_refused_and_never_repeated(value: str) -> None:
    (line,) = found("oidcClientSecret", value)
    assert line.startswith("oidcClientSecret: holds what no client secret may; ")
    assert "correct" not in line


def test_a_token_may_end_with_its_line_and_a_client_secret_may_hold_spaces() -> None:
    assert found("huggingFaceToken", "hf_NotReal\n") == []
    assert found("oidcClientSecret", "correct horse! ~") == []
    assert found("oidcClientSecret", "") == []
