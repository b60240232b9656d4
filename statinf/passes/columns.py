"""The columns of a formula's first part standardised behind a constant, and those that others determine left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from statinf.errors import DataError
from statinf.formula.design import Design
from statinf.numerics.linear.reduction import independent_columns
from statinf.passes.design import PassDesign
from statinf.passes.sums import Extent

Chosen = Callable[[Design], np.ndarray]
"""From the design of a block to which of its rows count, shape (n,) bool."""


@dataclass(frozen=True)
class StandardColumns:
    """Columns of blocks less centres, over scales.

    Attributes
    ----------
    kept : ndarray of int, shape (k,)
        Columns of the part without its constant.
    centre, scale : ndarray, shape (k,)
    constant : bool
        Whether a constant stands before them; centres are zero without one.
    """

    kept: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    constant: bool = True

    def __call__(self, block: Design) -> np.ndarray:
        """Columns of one block, shape (n, k) or (n, k + 1)."""
        x, first = block.parts[0].rest.values, int(self.constant)
        out = np.empty((len(x), len(self.kept) + first), order="F")
        out[:, :first] = 1.0
        for j, at in enumerate(self.kept):
            np.subtract(x[:, at], self.centre[j], out=out[:, first + j])
            out[:, first + j] /= self.scale[j]
        return out

    def back(self, width: int) -> np.ndarray:
        """From coefficients of these columns to those of the part's own, shape (width, columns): zero for those left out."""
        first = int(self.constant)
        out = np.zeros((width, len(self.kept) + first))
        for j, at in enumerate(self.kept):
            out[first + at, first + j] = 1.0 / self.scale[j]
            if first:
                out[0, first + j] = -self.centre[j] / self.scale[j]
        if first:
            out[0, 0] = 1.0
        return out


@dataclass(frozen=True)
class ColumnMoments:
    """Sums over the rows that count.

    Attributes
    ----------
    rows : int
        Of positive weight.
    gram : ndarray, shape (p + 2, p + 2)
        Weighted products of a constant, the columns about `near`, and the outcome about `near`.
    near : ndarray, shape (p + 1,)
    outcome : Extent
    """

    rows: int
    gram: np.ndarray
    near: np.ndarray
    outcome: Extent

    @property
    def mass(self) -> float:
        return float(self.gram[0, 0])

    def standardised(self, *, constant: bool = True) -> StandardColumns:
        """Standardised columns; those that earlier ones determine are left out."""
        p = len(self.near) - 1
        mean = self.gram[0, 1 : p + 1] / self.mass if constant else np.zeros(p)
        inner = self.gram[1 : p + 1, 1 : p + 1] - self.mass * np.outer(mean, mean)
        spread = np.sqrt(np.maximum(np.diag(inner), 0.0) / self.mass)
        varies = np.flatnonzero(spread > 1e-13 * np.maximum(np.abs(self.near[:p]), 1e-290))
        scaled = inner[np.ix_(varies, varies)] / np.outer(spread[varies], spread[varies]) / self.mass
        values, vectors = np.linalg.eigh(scaled)
        root = np.asarray(np.linalg.qr((vectors * np.sqrt(np.maximum(values, 0.0))).T, mode="r"))
        free = independent_columns(root, len(varies), 1e-7) if len(varies) else np.zeros(0, bool)
        kept = varies[free]
        return StandardColumns(
            kept, (self.near[:p] + mean)[kept] if constant else np.zeros(len(kept)), spread[kept], constant
        )


def column_moments(made: PassDesign, chosen: Chosen | None = None, *, constant: bool = True) -> ColumnMoments:
    """The sums, in one pass."""
    block = made.head()
    if block is None:
        raise DataError("no row of the data can be used.")
    p = block.parts[0].rest.p
    near = np.r_[block.parts[0].rest.values.mean(axis=0), _outcome(block).mean()] if constant else np.zeros(p + 1)
    found = made.total(partial(_moments, near, chosen), "moments of the columns")
    if found is None:
        raise DataError("no row counts for the model; give more rows, or another split.")
    rows, gram, outcome = found
    return ColumnMoments(int(rows), gram, near, outcome)


def _outcome(block: Design) -> np.ndarray:
    return block.y if block.offset is None else block.y - block.offset


def _moments(near: np.ndarray, chosen: Chosen | None, block: Design) -> tuple[int, np.ndarray, Extent] | None:
    inside = block.weights > 0
    if chosen is not None:
        inside = inside & chosen(block)
    if not inside.any():
        return None
    x, y, w = block.parts[0].rest.values[inside], _outcome(block)[inside], block.weights[inside]
    rows = np.empty((len(x), len(near) + 1), order="F")
    rows[:, 0] = 1.0
    rows[:, 1:-1] = x - near[:-1]
    rows[:, -1] = y - near[-1]
    return len(x), np.dot(rows.T * w, rows), Extent.of(y)
