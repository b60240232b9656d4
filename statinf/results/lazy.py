"""Fields that are made when they are first read."""

from __future__ import annotations

from typing import Any


class Lazy:
    """A field given as an array or as a function that makes the array when it is first read.

    The expansion of weights has n times k numbers, which a million rows should pay for only when standard errors
    are asked for.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return None  # what a dataclass reads as the default
        value = instance.__dict__[self.name]
        if callable(value):
            value = instance.__dict__[self.name] = value()
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.name] = value
