"""Fields that are made when they are first read."""

from __future__ import annotations

from dataclasses import MISSING
from typing import Any


class Lazy:
    """A field given as an array or as a function that makes the array when it is first read.

    The expansion of weights has n times k numbers, and so have the scores of a regression: a million rows should pay for them
    only where something reads them.

    Parameters
    ----------
    required : bool
        Whether the field has no default; None otherwise.
    """

    def __init__(self, *, required: bool = False) -> None:
        self.required = required

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return MISSING if self.required else None  # what a dataclass reads as the default
        value = instance.__dict__[self.name]
        if callable(value):
            value = instance.__dict__[self.name] = value()
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.name] = value
