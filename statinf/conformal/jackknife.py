"""Jackknife, jackknife+ and jackknife-minmax prediction intervals.

Barber, Candes, Ramdas and Tibshirani (2021, arXiv 1905.02928). With N rows and leave-one-out residuals R_i the
jackknife+ interval runs from the ``floor((N + 1)(1 - level))``-th smallest ``mu_{-i}(x) - R_i`` to the
``ceil((N + 1) level)``-th smallest ``mu_{-i}(x) + R_i``. Coverage is at least ``1 - 2 (1 - level)`` for exchangeable
rows (about the level in practice); at least the level for minmax; no guarantee for the plain jackknife.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from statinf.backend import chunks, rows_per_chunk
from statinf.inference.conformal import quantile_rank, threshold

VARIANTS = ("plus", "minmax", "base")
Band = tuple[np.ndarray, np.ndarray]


def plus(without: np.ndarray, residuals: np.ndarray, level: float) -> Band:
    """Jackknife+ and CV+ intervals.

    Parameters
    ----------
    without : ndarray, shape (m, N)
        Predictions at m new rows from the fit that left out training row i.
    residuals : ndarray, shape (N,)
        Absolute residuals of the rows from the fits that left them out.
    level : float

    Returns
    -------
    lower, upper : ndarray, shape (m,)
        Infinite where N is too small for the level.
    """
    n = len(residuals)
    k = quantile_rank(n, level)
    if k > n:
        return np.full(len(without), -np.inf), np.full(len(without), np.inf)
    ends = without - residuals
    ends.partition(n - k, axis=1)
    lower = ends[:, n - k].copy()
    np.add(without, residuals, out=ends)
    ends.partition(k - 1, axis=1)
    return lower, ends[:, k - 1].copy()


def minmax(without: np.ndarray, residuals: np.ndarray, level: float) -> Band:
    """From the least to the largest leave-one-out prediction, widened by the residuals' threshold."""
    q = threshold(residuals, level)
    return without.min(axis=1) - q, without.max(axis=1) + q


def base(centre: np.ndarray, residuals: np.ndarray, level: float) -> Band:
    """The full fit's prediction (m,), widened by the threshold of leave-one-out residuals: no guarantee."""
    q = threshold(residuals, level)
    return centre - q, centre + q


def intervals(
    predict: Callable[[np.ndarray], np.ndarray],
    without: Callable[[np.ndarray], np.ndarray],
    X: np.ndarray,
    residuals: np.ndarray,
    level: float,
    variant: str = "plus",
) -> Band:
    """Intervals for rows X (m, p) in blocks that fit into memory.

    Parameters
    ----------
    predict, without : callable
        Rows (m, p) to the full fit's predictions (m,), and to those of the N fits (m, N).
    X : ndarray, shape (m, p)
    residuals : ndarray, shape (N,)
        Absolute leave-one-out (or out-of-fold) residuals.
    level : float
    variant : {"plus", "minmax", "base"}
    """
    if variant == "base":
        return base(predict(X), residuals, level)
    rule = plus if variant == "plus" else minmax
    lower, upper = np.empty(len(X)), np.empty(len(X))
    for part in chunks(len(X), rows_per_chunk(24.0 * len(residuals), 32 * 2**20)):
        lower[part], upper[part] = rule(without(X[part]), residuals, level)
    return lower, upper
