"""Values of one key alone, as they reach the objects."""

from __future__ import annotations

import json

import pytest

from settings.parse import parse
from tests.unit.test_settings import PRESET, VALID


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("12345678", "12345678"),
        ("-12345678", "-12345678"),
        ("0.123456789", "0.123456789"),
        ("1234567.0", "1234567"),
        ("8.0", "8"),
        ("0.5", "0.5"),
    ],
)
def test_a_number_where_a_text_stands_keeps_all_its_digits(number: str, text: str) -> None:
    changed = {
        "serverExtraArgs": f'["--seed", {number}]',
        "extraEnv": f'{{"LIMIT": {number}}}',
        "labels": f'{{"tier": {number.lstrip("-")}}}',
    }
    settings = parse(VALID | changed, secret=frozenset()).settings
    assert settings is not None
    assert settings.server_extra_args == ("--seed", text)
    assert settings.extra_env == {"LIMIT": text}
    assert settings.labels == {"tier": text.lstrip("-")}


def test_bytes_of_memory_may_be_a_number() -> None:
    presets = json.dumps([PRESET | {"memory": 34359738368}])
    settings = parse(VALID | {"presets": presets}, secret=frozenset()).settings
    assert settings is not None
    assert settings.presets[0].memory == "34359738368"
