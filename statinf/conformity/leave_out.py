"""Intervals from fits that leave rows out, one by one or by folds.

Barber, Candes, Ramdas and Tibshirani (2021, arXiv 1905.02928). With N rows and leave-one-out residuals R_i the
jackknife+ interval runs from the ``floor((N + 1)(1 - level))``-th smallest ``mu_{-i}(x) - R_i`` to the
``ceil((N + 1) level)``-th smallest ``mu_{-i}(x) + R_i``. Coverage is at least ``1 - 2 (1 - level)`` for exchangeable
rows (about the level in practice); at least the level for minmax; no guarantee for the plain jackknife. MAPIE's "plus",
"minmax" and "base" with LeaveOneOut are the same intervals. With K folds of N / K rows in place of single rows coverage is
at least ``1 - 2a - min(2 (1 - 1/K) / (N/K + 1), (1 - K/N) / (K + 1))`` with ``a = 1 - level``; MAPIE's
CrossConformalRegressor on the same folds gives the same intervals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from statinf.backend import chunks, rows_per_chunk
from statinf.conformity.score import Ends
from statinf.inference.conformal import quantile_rank, threshold
from statinf.learners.crossfit import CrossFit

VARIANTS = ("plus", "minmax", "base")


class Without(Protocol):
    """Predictions at new rows of the fits that left training rows out."""

    def reach(self, X: np.ndarray) -> Ends:
        """Bounds (m,), (m,) of those predictions at rows X (m, p)."""
        ...

    def columns(self, X: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Predictions (m, len(which)) at rows X of the fits without the training rows `which`."""
        ...


@dataclass(frozen=True)
class StoredPredictions:
    """Predictions (m, N) that are all there already, with one column a training row."""

    values: np.ndarray

    def reach(self, X: np.ndarray) -> Ends:
        """Least and largest prediction of each row."""
        return self.values.min(axis=1), self.values.max(axis=1)

    def columns(self, X: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Some columns."""
        return self.values[:, which]


def plus(without: Without, X: np.ndarray, residuals: np.ndarray, level: float) -> Ends:
    """Jackknife+ and CV+ intervals at rows X (m, p).

    Each end is an order statistic of N predictions shifted by their residuals. If the predictions lie within w of each
    other, only residuals within w of their own order statistic can decide it: the others are counted, not computed.

    Parameters
    ----------
    without : Without
    X : ndarray, shape (m, p)
    residuals : ndarray, shape (N,)
        Absolute residuals of the rows from the fits that left them out.
    level : float

    Returns
    -------
    lower, upper : ndarray, shape (m,)
        Infinite where N is too small for the level.
    """
    n, m = len(residuals), len(X)
    k = quantile_rank(n, level)
    if k > n:
        return np.full(m, -np.inf), np.full(m, np.inf)
    low, high = without.reach(X)
    order = np.argsort(residuals)
    ranked = residuals[order]
    lower, upper = np.empty(m), np.empty(m)
    width = high - low
    # Rows of like width share a window, so that one far-off row does not widen that of all.
    for rows in np.array_split(np.argsort(width), max(1, min(m, 8 + m // 2048))):
        w = width[rows].max() * (1.0 + 1e-9) + 1e-12 * (np.abs(low[rows]).max() + ranked[k - 1])
        a, b = np.searchsorted(ranked, [ranked[k - 1] - w, ranked[k - 1] + w])
        b = max(int(np.searchsorted(ranked, ranked[k - 1] + w, side="right")), int(b))
        for part in chunks(len(rows), rows_per_chunk(24.0 * (b - a), 32 * 2**20)):
            at = rows[part]
            found = without.columns(X[at], order[a:b])
            lower[at] = _ranked(found - ranked[a:b], (n - k) - (n - b))
            upper[at] = _ranked(found + ranked[a:b], (k - 1) - a)
    return lower, upper


def _ranked(values: np.ndarray, index: int) -> np.ndarray:
    values.partition(index, axis=1)
    return values[:, index]


def minmax(low: np.ndarray, high: np.ndarray, residuals: np.ndarray, level: float) -> Ends:
    """From the least to the largest leave-one-out prediction (m,), widened by the residuals' threshold."""
    q = threshold(residuals, level)
    return low - q, high + q


def base(centre: np.ndarray, residuals: np.ndarray, level: float) -> Ends:
    """The full fit's prediction (m,), widened by the threshold of leave-one-out residuals: no guarantee."""
    q = threshold(residuals, level)
    return centre - q, centre + q


def intervals(
    predict: Callable[[np.ndarray], np.ndarray],
    without: Without,
    X: np.ndarray,
    residuals: np.ndarray,
    level: float,
    variant: str = "plus",
) -> Ends:
    """Intervals for rows X (m, p).

    Parameters
    ----------
    predict : callable
        Rows (m, p) to the full fit's predictions (m,).
    without : Without
        Predictions of the leave-out fits.
    X : ndarray, shape (m, p)
    residuals : ndarray, shape (N,)
        Absolute leave-one-out (or out-of-fold) residuals.
    level : float
    variant : {"plus", "minmax", "base"}
    """
    if variant == "base":
        return base(predict(X), residuals, level)
    if variant == "plus":
        return plus(without, X, residuals, level)
    lower, upper = np.empty(len(X)), np.empty(len(X))
    every = np.arange(len(residuals))
    for part in chunks(len(X), rows_per_chunk(16.0 * len(residuals), 32 * 2**20)):
        table = StoredPredictions(without.columns(X[part], every))
        lower[part], upper[part] = minmax(*table.reach(X[part]), residuals, level)
    return lower, upper


def guaranteed_level(n: int, folds: int, level: float) -> float:
    """The coverage that CV+ guarantees with n rows in equal folds."""
    K, size = float(folds), n / folds
    return 1.0 - 2.0 * (1.0 - level) - min(2.0 * (1.0 - 1.0 / K) / (size + 1.0), (1.0 - K / n) / (K + 1.0))


@dataclass(frozen=True)
class Folds:
    """Predictions of the fits without each fold; a training row's are those of the fit without its fold."""

    cross: CrossFit

    def by_fold(self, X: np.ndarray) -> np.ndarray:
        """Predictions (m, folds) at rows X (m, p)."""
        return np.column_stack([fitted.predict(X) for fitted in self.cross.fits])

    def reach(self, X: np.ndarray) -> Ends:
        """Least and largest prediction of each row."""
        found = self.by_fold(X)
        return found.min(axis=1), found.max(axis=1)

    def columns(self, X: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Predictions (m, len(which)) at rows X without the folds of the training rows `which`."""
        return self.by_fold(X)[:, self.cross.folds[which]]


def cv_intervals(full: Any, cross: CrossFit, residuals: np.ndarray, X: np.ndarray, level: float, variant: str) -> Ends:
    """Intervals (m,), (m,) at rows X (m, p) from fits by fold and their absolute out-of-fold residuals."""
    return intervals(full.predict, Folds(cross), X, residuals, level, variant)
