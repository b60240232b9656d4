"""Columns that stand far from zero, less a multiple of the constant that the design spans.

A column of mean 1e8 and spread one has eight digits. Orthogonal factors of the columns as they stand lose
eight more of every column that is compared with it; of the columns less their middle they lose none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_SAMPLE = 4096
_FAR = 4.0
"""A column is centred if its mean is more than this many standard deviations from zero."""


@dataclass(frozen=True)
class Centring:
    """The change of columns from X to X (I - a c').

    Attributes
    ----------
    ones : ndarray, shape (p,)
        The combination a of columns that is one on every row.
    centre : ndarray, shape (p,)
        What is taken from each column; zero where `ones` is not, and for columns that stand near zero.
    """

    ones: np.ndarray
    centre: np.ndarray

    def raw_factor(self, factor: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """The triangular factor of the columns as they stand, from that of the centred ones; kept columns only."""
        ones, centre = self.ones[kept], self.centre[kept]
        moved = factor + np.outer(factor @ ones, centre)
        if not ones[1:].any():
            return moved
        return np.asarray(np.linalg.qr(moved, mode="r"))

    def raw_coefficients(self, coef: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Coefficients of the columns as they stand, shape (k, m), from those of the centred ones."""
        return coef - np.outer(self.ones[kept], self.centre[kept] @ coef)


def centring_of(columns: np.ndarray) -> Centring | None:
    """How to centre the columns; None where they span no constant or none of them stands far from zero.

    The middle of a column is its mean over some thousand rows: any value inside the column's range does.

    Parameters
    ----------
    columns : ndarray, shape (n, p)
    """
    n, p = columns.shape
    if n == 0 or p < 2:
        return None
    some = columns[:: max(1, n // _SAMPLE)]
    mean = some.mean(axis=0)
    far = np.abs(mean) > _FAR * some.std(axis=0)
    if np.count_nonzero(far) < 1 + int(far[0]):
        return None
    ones = _constant(columns)
    if ones is None:
        return None
    centre = np.where(far & (ones == 0), mean, 0.0)
    return Centring(ones, centre) if centre.any() else None


def _constant(columns: np.ndarray) -> np.ndarray | None:
    """The combination of columns that is one on every row: a constant column, or the indicators of a partition."""
    p = columns.shape[1]
    first = columns[0, 0]
    if first != 0 and bool((columns[:, 0] == first).all()):
        return np.eye(1, p)[0] / first
    total = np.zeros(len(columns))
    start = 0
    for j in range(p):
        column = columns[:, j]
        if not bool(((column == 0) | (column == 1)).all()):
            total[:] = 0.0
            start = j + 1
            continue
        total += column
        if bool((total == 1).all()):
            return ((np.arange(p) >= start) & (np.arange(p) <= j)).astype(float)
        if total.max() > 1:
            total[:] = column
            start = j
    return None
