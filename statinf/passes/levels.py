"""Levels of categories that are met block by block, in the order that they have in a table read as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.formula.columns import Categorical
from statinf.formula.frame import Frame


@dataclass(frozen=True)
class LevelsMet:
    """Levels of one factor, of the blocks so far.

    Attributes
    ----------
    order : tuple
        All levels, in order.
    present : frozenset
        Those that a row in use has.
    declared : bool
        Whether the order is the data's own; new levels are sorted in otherwise.
    """

    order: tuple[Any, ...]
    present: frozenset[Any]
    declared: bool

    @classmethod
    def of(cls, found: Categorical, declared: bool) -> LevelsMet:
        """The levels of one block's rows in use."""
        codes = np.unique(found.codes)
        present = [found.levels[c] for c in codes if c >= 0]
        return cls(tuple(found.levels) if declared else tuple(present), frozenset(present), declared)

    def plus(self, other: LevelsMet) -> LevelsMet:
        """Those of both."""
        present = self.present | other.present
        if self.order == other.order:
            return LevelsMet(self.order, present, self.declared)
        known = set(self.order)
        joined = (*self.order, *(v for v in other.order if v not in known))
        if not self.declared and _sorted(self.order) and _sorted(other.order):
            joined = tuple(sorted(joined))
        return LevelsMet(joined, present, self.declared)

    @property
    def as_column(self) -> Categorical:
        """One row for each level that is present."""
        kept = np.array([i for i, v in enumerate(self.order) if v in self.present], dtype=np.int64)
        return Categorical(kept, self.order)


def _sorted(levels: tuple[Any, ...]) -> bool:
    try:
        return all(a < b for a, b in zip(levels, levels[1:], strict=False))
    except TypeError:
        return False


def is_declared(frame: Frame, name: str) -> bool:
    """Whether a column of categories brings the order of its levels along."""
    import narwhals as nw

    raw = frame.raw(name)
    if raw.implementation.is_polars():
        return bool(raw.dtype == nw.Enum)
    return bool(raw.dtype in (nw.Categorical, nw.Enum))


@dataclass(frozen=True)
class GroupIndex:
    """All values of a cluster column, and their numbers.

    Attributes
    ----------
    values : pandas Index, shape (groups,)
    """

    values: Any

    @classmethod
    def of(cls, found: Categorical, index: np.ndarray | None) -> GroupIndex:
        """The values of one block's rows in use."""
        codes = found.codes if index is None else found.codes[index]
        present = np.unique(codes[codes >= 0])
        return cls(_index([found.levels[c] for c in present]))

    def plus(self, other: GroupIndex) -> GroupIndex:
        """Those of both."""
        return GroupIndex(self.values.union(other.values, sort=False))

    @property
    def count(self) -> int:
        return len(self.values)

    def place(self, found: Categorical) -> np.ndarray:
        """Numbers of the rows of a column, -1 where it is missing or new."""
        numbers = self.values.get_indexer(_index(list(found.levels)))
        return np.append(numbers, -1)[found.codes]


def _index(values: list[Any]) -> Any:
    import pandas as pd

    return pd.Index(values, dtype=object) if any(isinstance(v, str) for v in values[:1]) else pd.Index(values)
