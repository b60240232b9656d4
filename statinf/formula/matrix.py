"""The columns of one part of a formula, written once into one array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from statinf.backend import map_threads
from statinf.backend.threads import cores, row_blocks
from statinf.errors import DataError
from statinf.formula.columns import Categorical
from statinf.formula.factors import Learnt
from statinf.formula.layout import Layout

_ROWS = 1 << 15
_PARALLEL_FROM = 1_000_000
"""Entries from which rows are written by two threads or more."""


@dataclass(frozen=True)
class Matrix:
    """The columns of one part of a formula.

    Attributes
    ----------
    values : ndarray, shape (n, p)
        float64, column-major.
    names : tuple of str
        Column names.
    terms : mapping of str to slice
        The columns of each term, "Intercept" included.
    intercept : bool
        Whether the first column is the constant.
    """

    values: np.ndarray
    names: tuple[str, ...]
    terms: Mapping[str, slice]
    intercept: bool

    @property
    def p(self) -> int:
        return len(self.names)

    @cached_property
    def rest(self) -> Matrix:
        return self.without_intercept()

    def without_intercept(self) -> Matrix:
        """The same columns less the constant, a view on the same memory."""
        if not self.intercept:
            return self
        terms = {t: slice(s.start - 1, s.stop - 1) for t, s in self.terms.items() if t != "Intercept"}
        return Matrix(self.values[:, 1:], self.names[1:], terms, False)

    def with_intercept(self) -> Matrix:
        """The same columns behind a constant."""
        if self.intercept:
            return self
        if "Intercept" in self.names:
            raise DataError("a column of the data is named 'Intercept', as the constant of the model is; rename it.")
        values = np.empty((len(self.values), self.p + 1), order="F")
        values[:, 0] = 1.0
        values[:, 1:] = self.values
        terms = {"Intercept": slice(0, 1)} | {t: slice(s.start + 1, s.stop + 1) for t, s in self.terms.items()}
        return Matrix(values, ("Intercept", *self.names), terms, True)


Value = np.ndarray | Categorical


def fill(layout: Layout, values: Mapping[str, Value], learnt: Mapping[str, Learnt], n: int) -> Matrix:
    """Write every column once into one column-major array."""
    return Matrix(written(layout, values, learnt, n), layout.names, layout.terms, layout.intercept)


def written(layout: Layout, values: Mapping[str, Value], learnt: Mapping[str, Learnt], n: int) -> np.ndarray:
    """The columns of a layout, shape (n, p), column-major."""
    # Zero pages come from the system for nothing, and dummies write only their ones.
    out = np.zeros((n, len(layout.names)), order="F")
    if layout.intercept:
        out[:, 0] = 1.0
    blocks, at = [], int(layout.intercept)
    for block in layout.blocks:
        pieces = [_Piece.of(values[f], learnt[f], r) for f, r in zip(block.factors, block.reduced, strict=True)]
        width = int(np.prod([p.width for p in pieces]))
        blocks.append((out[:, at : at + width], pieces, block.scale))
        at += width

    def write(rows: slice) -> None:
        for target, pieces, scale in blocks:
            if any(p.marks is not None for p in pieces) and all(p.marks is not None or p.width == 1 for p in pieces):
                _scatter(target, pieces, scale, rows)
            else:
                _columns(target[rows], pieces, scale, rows)

    # Most of the time goes into first touching the pages, which the system clears on the thread that does.
    map_threads(write, row_blocks(n, 1, -(-n // cores())), parallel=out.size > _PARALLEL_FROM)
    return out


@dataclass(frozen=True)
class _Piece:
    """The columns of one factor: numbers, or codes with the column of ones (or the contrast) of each level."""

    width: int
    numbers: np.ndarray | None
    codes: np.ndarray | None = None
    marks: np.ndarray | None = None
    contrast: np.ndarray | None = None

    @classmethod
    def of(cls, value: Value, learnt: Learnt, reduced: bool) -> _Piece:
        if not isinstance(value, Categorical):
            both = learnt.logical and not reduced
            return cls(2, np.column_stack([1.0 - value[:, 0], value[:, 0]])) if both else cls(value.shape[1], value)
        coding = learnt.coding
        assert coding is not None
        return cls(coding.columns(reduced), None, value.codes, coding.marked(reduced), coding.contrast)

    def column(self, j: int, rows: slice) -> np.ndarray:
        if self.numbers is not None:
            return self.numbers[rows, j]
        assert self.codes is not None
        if self.marks is not None:
            return (self.marks == j)[self.codes[rows]]
        assert self.contrast is not None
        return self.contrast[:, j][self.codes[rows]]


def _columns(target: np.ndarray, pieces: Sequence[_Piece], scale: float, rows: slice) -> None:
    picks = product(*(range(p.width) for p in reversed(pieces)))
    for j, pick in enumerate(picks):
        first, *others = (piece.column(i, rows) for piece, i in zip(pieces, reversed(pick), strict=True))
        if others:
            np.multiply(first, others[0], out=target[:, j], casting="unsafe")
        else:
            target[:, j] = first
        for other in others[1:]:
            np.multiply(target[:, j], other, out=target[:, j])
        if scale != 1.0:
            target[:, j] *= scale


def _scatter(target: np.ndarray, pieces: Sequence[_Piece], scale: float, within: slice) -> None:
    """Products of dummies and single numbers: each row writes one entry, by blocks of rows that fit the cache."""
    n = len(target)
    flat = target.T.reshape(-1)
    tables, stride = [], 1
    for piece in pieces:
        if piece.marks is None:
            tables.append(None)
            continue
        # A level without a column sends the row far below zero, where it is left out.
        tables.append(np.where(piece.marks < 0, -(2**62) // len(pieces), piece.marks.astype(np.int64) * (stride * n)))
        stride *= piece.width
    for start in range(within.start, within.stop, _ROWS):
        rows = slice(start, min(start + _ROWS, within.stop))
        where = np.arange(rows.start, rows.stop)
        number: np.ndarray | None = None
        for piece, table in zip(pieces, tables, strict=True):
            if table is not None and piece.codes is not None:
                where += table[piece.codes[rows]]
            elif piece.numbers is not None:
                part = piece.numbers[rows, 0]
                number = part if number is None else number * part
        keep = where >= 0
        flat[where[keep]] = scale if number is None else scale * number[keep]
