"""How sums of blocks are added, whatever they hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def plus(left: Any, right: Any) -> Any:
    """The sum of two sums: numbers and arrays by their own addition, tuples, lists and mappings entry by entry.

    None is nothing; what an entry of one mapping has and the other lacks is kept; an object with a method `plus` knows how
    it is added.
    """
    if left is None:
        return right
    if right is None:
        return left
    if hasattr(left, "plus"):
        return left.plus(right)
    if isinstance(left, Mapping):
        shared = {key: plus(value, right[key]) if key in right else value for key, value in left.items()}
        return {**shared, **{key: value for key, value in right.items() if key not in left}}
    if isinstance(left, tuple) and hasattr(left, "_fields"):
        return type(left)(*(plus(a, b) for a, b in zip(left, right, strict=True)))
    if isinstance(left, tuple | list):
        return type(left)(plus(a, b) for a, b in zip(left, right, strict=True))
    return left + right
