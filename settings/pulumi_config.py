"""The one place that reads `pulumi.Config`: raw values in, typed settings and secrets out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi.runtime import config as runtime_config

from settings.mistakes import Mistake, as_message
from settings.models import StackSettings
from settings.parse import parse
from settings.secret_keys import SECRET_KEYS, empty_mistakes


class ConfigError(pulumi.RunError):
    """Every mistake in a stack's config; Pulumi prints the message alone, without a traceback."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__(as_message(pulumi.get_stack(), mistakes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Secret values of the stack config; they travel as Pulumi secrets only."""

    values: Mapping[str, pulumi.Output[str]]
    """Those of `settings.secret_keys` that are set, by their key."""

    look_up_token: str | None = field(default=None, repr=False)
    """`huggingFaceToken` in clear, for the one look-up of a model; never put it into a resource."""


def read_settings() -> tuple[StackSettings, Secrets]:
    """Read the stack's config.

    Raises:
        ConfigError: the config has mistakes; all of them are named.
    """
    config = pulumi.Config()
    raw = _namespace_values(config.name)
    secret = frozenset(
        key for key in raw if runtime_config.is_config_secret(f"{config.name}:{key}")
    )
    parsed = parse(raw, secret=secret)
    # Only here are secrets known: a stack file holds them encrypted.
    mistakes = (*parsed.mistakes, *empty_mistakes(raw))
    if parsed.settings is None or mistakes:
        raise ConfigError(mistakes)
    return parsed.settings, Secrets(
        values={key: config.require_secret(key) for key in SECRET_KEYS if key in raw},
        look_up_token=raw.get("huggingFaceToken"),
    )


def _namespace_values(namespace: str) -> dict[str, str]:
    # `pulumi.Config` reads single keys, so a mistyped key would pass unseen. The runtime's table is
    # internal to the SDK, which is pinned; this function is the only place that touches it.
    prefix = f"{namespace}:"
    table = runtime_config.CONFIG.get()
    return {
        key.removeprefix(prefix): value for key, value in table.items() if key.startswith(prefix)
    }
