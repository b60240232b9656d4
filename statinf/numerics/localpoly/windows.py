"""Sums of powers over many windows of sorted rows, by cumulative sums within short blocks.

Powers are taken about the middle of a block and carried to where a window begins, a few block widths away: cumulative sums of
powers about one point would lose the digits of windows far from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

_WIDTH = 0.5


@dataclass(frozen=True)
class Powers:
    """Cumulative sums of columns times powers of x about the middle of each row's block.

    Attributes
    ----------
    unit : float
        Powers are of x in this unit.
    middle : ndarray, shape (blocks,)
    start : ndarray of int, shape (blocks + 1,)
        First row of each block, and n at the end.
    sums : ndarray, shape (n + 1, m, degree + 1)
    """

    unit: float
    middle: np.ndarray
    start: np.ndarray
    sums: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, columns: np.ndarray, unit: float, degree: int) -> Powers:
        """Of ascending x (n,) and columns (n, m)."""
        width = _WIDTH * unit
        place = np.floor((x - x[0]) / width)
        start = np.concatenate([[0], np.flatnonzero(np.diff(place)) + 1, [len(x)]])
        middle = x[0] + (place[start[:-1]] + 0.5) * width
        t = (x - np.repeat(middle, np.diff(start))) / unit
        sums = np.zeros((len(x) + 1, columns.shape[1], degree + 1))
        power = columns.copy()
        for k in range(degree + 1):
            np.cumsum(power, axis=0, out=sums[1:, :, k])
            power *= t[:, None]
        return cls(unit, middle, start, sums)

    def over(self, at: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Sums over rows [first, last) of each column times ((x - at) / unit)^k, shape (windows, m, degree + 1).

        Parameters
        ----------
        at : ndarray, shape (windows,)
        first, last : ndarray of int, shape (windows,)
        """
        _, m, k = self.sums.shape
        total = np.zeros((len(at), m, k))
        block = np.searchsorted(self.start, first, side="right") - 1
        stop = np.searchsorted(self.start, np.maximum(last, 1) - 1, side="right") - 1
        open_ = np.flatnonzero(last > first)
        while len(open_):
            b = block[open_]
            low, high = np.maximum(first[open_], self.start[b]), np.minimum(last[open_], self.start[b + 1])
            part = self.sums[high] - self.sums[low]
            shift = (self.middle[b] - at[open_]) / self.unit
            total[open_] += _carried(part, shift)
            block[open_] += 1
            open_ = open_[block[open_] <= stop[open_]]
        return total


def _carried(part: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Sums of powers about one point as sums of powers about another, `shift` before it."""
    k = part.shape[-1]
    out = np.zeros_like(part)
    powers = shift[:, None] ** np.arange(k)
    for j in range(k):
        for i in range(j + 1):
            out[..., j] += comb(j, i) * powers[:, j - i, None] * part[..., i]
    return out
