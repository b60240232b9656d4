"""A regression stump on every level set at once: sorted columns, cumulative sums, the best cut of each level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief

_BETTER = 1.0 + 1e-9
"""How much a later column must gain to be preferred, so that rounding does not choose between equal cuts."""


@dataclass(frozen=True, repr=False)
class StumpLevels(Brief):
    """One stump per level: `low` where the column is at most the cut, `high` above.

    Attributes
    ----------
    column : ndarray of int, shape (levels,)
    cut, low, high : ndarray, shape (levels,)
    """

    column: np.ndarray
    cut: np.ndarray
    low: np.ndarray
    high: np.ndarray
    deficient: int = 0

    def predict(self, Z: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Values (n,) at rows Z (n, p) by the stumps of their levels."""
        if Z.shape[1] == 0:
            return self.low[codes]
        below = Z[np.arange(len(Z)), self.column[codes]] <= self.cut[codes]
        return np.where(below, self.low[codes], self.high[codes])


@dataclass(frozen=True, repr=False)
class StumpLearner(Brief):
    """Fits `StumpLevels`, round after round, to the same rows.

    Attributes
    ----------
    Z : ndarray, shape (n, p)
    y, w : ndarray, shape (n,)
    orders : tuple of ndarray of int, shape (n,)
        Rows by the values of each column.
    """

    Z: np.ndarray
    y: np.ndarray
    w: np.ndarray
    orders: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, Z: np.ndarray, y: np.ndarray, w: np.ndarray) -> StumpLearner:
        """The learner of these rows."""
        return cls(Z, y, w, tuple(np.argsort(column, kind="stable") for column in Z.T))

    def fit(self, codes: np.ndarray, active: np.ndarray) -> StumpLevels:
        """One stump per active level (levels,) bool, from the rows' levels (n,)."""
        levels = len(active)
        codes = codes.astype(np.uint16) if levels <= 1 << 16 else codes
        total = np.bincount(codes, weights=self.w, minlength=levels)
        mean = np.bincount(codes, weights=self.w * self.y, minlength=levels) / np.maximum(total, 1e-300)
        residual = self.w * (self.y - mean[codes])
        column, cut = np.zeros(levels, np.intp), np.full(levels, np.inf)
        low, high, best = mean.copy(), mean.copy(), np.zeros(levels)
        for j, order in enumerate(self.orders):
            # A stable sort of two bytes is a radix sort: rows by level, and by value within it.
            by = order[np.argsort(codes[order], kind="stable")]
            level, x = codes[by], self.Z[by, j]
            at, gain, weight, sum_ = _best_cuts(level, x, self.w[by], residual[by], total)
            better = gain > best[level[at]] * _BETTER
            at, gain, weight, sum_ = at[better], gain[better], weight[better], sum_[better]
            where = level[at]
            best[where], column[where] = gain, j
            cut[where] = _between(x[at], x[at + 1])
            low[where] = mean[where] + sum_ / weight
            high[where] = mean[where] - sum_ / (total[where] - weight)
        return StumpLevels(column, cut, low, high)


def _between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Middles (k,) of a < b that are below b."""
    middle = a + (b - a) / 2
    return np.where(middle < b, middle, a)


def _best_cuts(
    level: np.ndarray, x: np.ndarray, w: np.ndarray, r: np.ndarray, total: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The best cut of each level: the row below it, the gain, and the weight and sum of residuals below it, all (k,).

    Parameters
    ----------
    level, x, w, r : ndarray, shape (n,)
        Rows by level and by value: levels, values, weights, weighted residuals, which sum to zero on each level.
    total : ndarray, shape (levels,)
        Weight of each level.
    """
    at = np.flatnonzero((level[1:] == level[:-1]) & (x[1:] > x[:-1]))
    if not len(at):
        return at, np.empty(0), np.empty(0), np.empty(0)
    starts = np.searchsorted(level, np.arange(len(total)))
    weight, sum_ = (np.append(0.0, np.cumsum(v)) for v in (w, r))
    of = level[at]
    below, gained = weight[at + 1] - weight[starts[of]], sum_[at + 1] - sum_[starts[of]]
    above = total[of] - below
    # Rounding apart, a row of next to no weight could be all that is above.
    gain = np.where(above > 1e-12 * total[of], gained**2 * (1.0 / below + 1.0 / np.maximum(above, 1e-300)), 0.0)
    first = np.flatnonzero(np.append(True, of[1:] != of[:-1]))
    largest = np.maximum.reduceat(gain, first)
    group = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(of))))
    hit = np.flatnonzero(gain >= largest[group] / _BETTER)
    chosen = hit[np.unique(group[hit], return_index=True)[1]]
    return at[chosen], gain[chosen], below[chosen], gained[chosen]
