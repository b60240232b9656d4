"""Products of many rows with small matrices, block by block on several threads: rows in blocks go in, sums or rows come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from statinf.backend import map_threads, row_blocks

PARALLEL_FROM = 1 << 20
"""Entries from which blocks of rows are shared by threads."""


def over_blocks(function: Callable[[slice], object], n: int, columns: int) -> list:
    """What a function makes of each block of rows that stays in the cache, in order."""
    return map_threads(function, row_blocks(n, columns), parallel=n * columns > PARALLEL_FROM)


def row_products(
    columns: np.ndarray,
    matrix: np.ndarray,
    multiplier: np.ndarray | None = None,
    after: np.ndarray | None = None,
) -> np.ndarray:
    """The product of columns (n, p) with a matrix (p, m) or a vector (p,), each row times its multiplier, then with `after`.

    Two factors, as those of an inverse, are not multiplied with one another first: their product would lose digits.

    The small factor stands on the left, where its product with contiguous columns is fastest: BLAS reorders a tall factor before
    it multiplies, which takes longer than the product. Columns of the result are contiguous.
    """
    n = len(columns)
    if columns.size <= PARALLEL_FROM:
        found = np.dot(columns, matrix)
        if multiplier is not None:
            found *= multiplier if found.ndim == 1 else multiplier[:, None]
        return found if after is None else np.dot(found, after)
    last = matrix if after is None else after
    out = np.empty((n,) if last.ndim == 1 else (n, last.shape[1]), order="F")

    def block(rows: slice) -> None:
        # np.dot would copy the block first.
        found = columns[rows] @ matrix if matrix.ndim == 1 else matrix.T @ columns[rows].T
        if multiplier is not None:
            found *= multiplier[rows]
        out[rows] = (found if after is None else after.T @ found).T

    over_blocks(block, n, columns.shape[1])
    return out


def by_rows(columns: np.ndarray) -> np.ndarray:
    """Columns (n, p) with each row in one piece; as they are where they are so."""
    if columns.flags.c_contiguous or columns.size <= PARALLEL_FROM:
        return np.ascontiguousarray(columns)
    out = np.empty(columns.shape)

    def block(rows: slice) -> None:
        out[rows] = columns[rows]

    over_blocks(block, *columns.shape)
    return out


def row_multiples(columns: np.ndarray, multiplier: np.ndarray) -> np.ndarray:
    """Rows (n, p), each times its multiplier (n,); the columns of the result are contiguous where those given are."""
    if columns.size <= PARALLEL_FROM or (not columns.flags.f_contiguous and columns.strides[0] != columns.itemsize):
        return columns * multiplier[:, None]
    out = np.empty(columns.shape, order="F")

    def column(j: int) -> None:
        np.multiply(columns[:, j], multiplier, out=out[:, j])

    map_threads(column, range(columns.shape[1]))
    return out


def centred_products(columns: np.ndarray, centre: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """``(x_i - centre)' slope`` for rows (n, p), shape (n,)."""
    if columns.size <= PARALLEL_FROM:
        return (columns - centre) @ slope
    parts = over_blocks(lambda rows: np.dot(columns[rows] - centre, slope), *columns.shape)
    return np.concatenate(parts)


def column_sums(columns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum of rows (n, p), each times its weights (n,) or (n, m): shape (p,) or (m, p).

    Rows are summed from the first one, so that the rounding of a long sum does not grow with where a column stands.
    """
    if len(columns) == 0:
        return np.dot(weights.T, columns)
    first = columns[0]
    near = np.sum(over_blocks(lambda rows: np.dot(weights[rows].T, columns[rows] - first), *columns.shape), axis=0)
    total = weights.sum(axis=0)
    return near + (total * first if weights.ndim == 1 else total[:, None] * first)


def gram(columns: np.ndarray) -> np.ndarray:
    """Sum of x_i x_i' over rows (n, p)."""

    def block(rows: slice) -> np.ndarray:
        x = columns[rows]
        return np.dot(x.T, x)

    return np.sum(over_blocks(block, *columns.shape), axis=0)


def squares(columns: np.ndarray) -> np.ndarray:
    """Sums of squares of columns (n, p), shape (p,)."""
    parts = over_blocks(lambda rows: np.einsum("ij,ij->j", columns[rows], columns[rows]), *columns.shape)
    return np.sum(parts, axis=0)


def weighted_gram(columns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum of w_i x_i x_i' over rows (n, p)."""

    def block(rows: slice) -> np.ndarray:
        x = columns[rows]
        return np.dot((x * weights[rows, None]).T, x)

    return np.sum(over_blocks(block, *columns.shape), axis=0)


@dataclass(frozen=True)
class RowExpansion:
    """A derivative ``slope_i x_i`` and an influence ``pull_i x_i' through`` of rows x (n, k), never multiplied out.

    Attributes
    ----------
    columns : ndarray, shape (n, k)
    slope, pull : ndarray, shape (n,)
    through : ndarray, shape (k, k)
    others : ndarray, shape (m, k)
        Rows of a second sample, which have an influence alone.
    others_pull : ndarray, shape (m,)
    first, others_first : ndarray, shape (n,) and (m,), optional
        Further influence of the rows on the first parameter.
    """

    columns: np.ndarray
    slope: np.ndarray
    pull: np.ndarray
    through: np.ndarray
    others: np.ndarray
    others_pull: np.ndarray
    first: np.ndarray | None = None
    others_first: np.ndarray | None = None

    def gradient(self, unit: np.ndarray) -> np.ndarray:
        """Sum of unit (n,) or (n, q) times the derivative, shape (k,) or (q, k)."""
        return column_sums(self.columns, unit * (self.slope if unit.ndim == 1 else self.slope[:, None]))

    def moved(self, direction: np.ndarray) -> np.ndarray:
        """The influence times a direction (k,) or (k, q), shape (n,) or (n, q)."""
        return _with_first(row_products(self.columns, self.through @ direction, self.pull), self.first, direction)

    def others_moved(self, direction: np.ndarray) -> np.ndarray:
        """The same of the second sample."""
        found = row_products(self.others, self.through @ direction, self.others_pull)
        return _with_first(found, self.others_first, direction)


def _with_first(found: np.ndarray, first: np.ndarray | None, direction: np.ndarray) -> np.ndarray:
    if first is None:
        return found
    return found + (first * direction[0] if direction.ndim == 1 else np.outer(first, direction[0]))
