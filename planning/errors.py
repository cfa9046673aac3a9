"""Why a config cannot be planned."""

from __future__ import annotations

from settings.mistakes import Mistake


class PlanError(ValueError):
    """Settings that are well formed, but cannot be served; names each key with its remedy."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = mistakes
