"""What a stack config asks for, typed and checked before anything is registered."""

from settings.mistakes import Mistake
from settings.models import Preset, StackSettings
from settings.parse import parse

__all__ = ["Mistake", "Preset", "StackSettings", "parse"]
