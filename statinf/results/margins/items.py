"""What is computed on every row: means with columns set to values, slopes, and what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Moved:
    """A column as it is, moved by an amount."""

    amount: float


@dataclass(frozen=True)
class MeanItem:
    """The mean of a row with some columns set; as the row stands without any."""

    settings: tuple[tuple[str, Any], ...] = ()

    def values(self, numbers: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """What the columns are set to on rows with these numbers."""
        return {
            name: numbers[name] + value.amount if isinstance(value, Moved) else value for name, value in self.settings
        }


@dataclass(frozen=True)
class SlopeItem:
    """The slope of a row's mean in a variable, or an elasticity."""

    variable: str
    kind: str = "dydx"


Item = MeanItem | SlopeItem


@dataclass(frozen=True)
class Target:
    """An estimate: an item, or a comparison of two.

    Attributes
    ----------
    labels : mapping of str to object
        What tables say of it: variable, contrast, values.
    hi : int
        Place of the item.
    lo : int
        Place of the item that it is compared with; -1 for none.
    comparison : str
    """

    labels: Mapping[str, Any]
    hi: int
    lo: int = -1
    comparison: str = "difference"


@dataclass
class Items:
    """Items once each, and the targets made of them."""

    items: list[Item] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    known: dict[str, int] = field(default_factory=dict)

    def place(self, item: Item) -> int:
        """The place of an item, which is added if it is new."""
        at = self.known.setdefault(repr(item), len(self.items))
        if at == len(self.items):
            self.items.append(item)
        return at
