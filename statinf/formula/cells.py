"""A part of a formula whose variables all have levels: rows with the same levels are one cell, and share their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from statinf.brief import Brief
from statinf.formula.columns import Categorical
from statinf.formula.factors import Learnt
from statinf.formula.layout import Layout
from statinf.formula.matrix import Matrix, Value, fill, written

_LEAST_ROWS = 1000
"""Rows from which cells are worth their search."""
_ROWS = 1 << 14
_FEWER = 2
"""Rows per cell, at least, for cells to be worth it."""


@dataclass(frozen=True, repr=False)
class ColumnCells(Brief):
    """The distinct rows of a matrix.

    Attributes
    ----------
    x : ndarray, shape (G, p)
        Columns of each cell.
    of : ndarray of int, shape (n,)
        The cell of each row.
    """

    x: np.ndarray
    of: np.ndarray

    def drop_first(self) -> ColumnCells:
        """The same cells without the first column."""
        return ColumnCells(self.x[:, 1:], self.of)


class CodedMatrix(Matrix):
    """A matrix of dummies that is written when its values are first read; sums over its rows need its cells only."""

    def __init__(self, layout: Layout, values: Mapping[str, Value], learnt: Mapping[str, Learnt], n: int) -> None:
        vars(self).update(names=layout.names, terms=layout.terms, intercept=layout.intercept)
        # Copies, for the caller may change the frame before they are read.
        own = {
            name: Categorical(v.codes.copy(), v.levels) if isinstance(v, Categorical) else v.copy()
            for name, v in values.items()
        }
        vars(self)["_made_of"] = (layout, own, learnt, n)

    @cached_property
    def values(self) -> np.ndarray:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The columns, shape (n, p)."""
        return written(*vars(self)["_made_of"])

    @cached_property
    def cells(self) -> ColumnCells | None:
        """The distinct rows, or None where they are hardly fewer than the rows."""
        layout, values, learnt, n = vars(self)["_made_of"]
        used = {f: values[f] for block in layout.blocks for f in block.factors}
        sizes = [len(v.levels) if isinstance(v, Categorical) else 2 for v in used.values()]
        size = prod(sizes)
        if n < _LEAST_ROWS or size > 4 * n:
            return None
        key = _numbered([v.codes if isinstance(v, Categorical) else v[:, 0] for v in used.values()], sizes, n)
        present = np.flatnonzero(np.bincount(key, minlength=size))
        if len(present) * _FEWER > n:
            return None
        number = np.zeros(size, dtype=np.intp)
        number[present] = np.arange(len(present))
        digits = np.unravel_index(present, sizes)
        some = {
            name: Categorical(digit, value.levels) if isinstance(value, Categorical) else digit[:, None].astype(float)
            for (name, value), digit in zip(used.items(), digits, strict=True)
        }
        return ColumnCells(written(layout, some, learnt, len(present)), number[key])

    def without_intercept(self) -> Matrix:
        return _Rest(self) if self.intercept else self


class _Rest(CodedMatrix):
    """A coded matrix less its constant."""

    def __init__(self, whole: CodedMatrix) -> None:
        terms = {t: slice(s.start - 1, s.stop - 1) for t, s in whole.terms.items() if t != "Intercept"}
        vars(self).update(names=whole.names[1:], terms=terms, intercept=False, _whole=whole)

    @cached_property
    def values(self) -> np.ndarray:  # pyright: ignore[reportIncompatibleVariableOverride]
        return vars(self)["_whole"].values[:, 1:]

    @cached_property
    def cells(self) -> ColumnCells | None:
        found = vars(self)["_whole"].cells
        return None if found is None else found.drop_first()


def _numbered(codes: Sequence[np.ndarray], sizes: Sequence[int], n: int) -> np.ndarray:
    """The number of each row's combination of levels, shape (n,), made by blocks of rows that stay in the cache."""
    key = np.zeros(n, dtype=np.intp)
    for start in range(0, n, _ROWS):
        at = slice(start, start + _ROWS)
        block = key[at]
        for code, levels in zip(codes, sizes, strict=True):
            block *= levels
            block += code[at].astype(np.intp)
    return key


def columns_of(layout: Layout, values: Mapping[str, Value], learnt: Mapping[str, Learnt], n: int) -> Matrix:
    """The columns of a part, written at once where some are of numbers."""
    used = [f for block in layout.blocks for f in block.factors]
    if used and all(learnt[f].coding is not None or learnt[f].logical for f in used):
        return CodedMatrix(layout, {f: values[f] for f in used}, learnt, n)
    return fill(layout, values, learnt, n)
