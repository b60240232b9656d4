"""CV+ and CV-minmax prediction intervals.

Barber, Candes, Ramdas and Tibshirani (2021, arXiv 1905.02928): the jackknife+ with folds in place of rows left out
one by one. Coverage with K folds of N / K rows is at least
``1 - 2a - min(2 (1 - 1/K) / (N/K + 1), (1 - K/N) / (K + 1))`` with ``a = 1 - level``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from statinf.conformal.jackknife import Band, intervals
from statinf.learners.crossfit import CrossFit


def guaranteed_level(n: int, folds: int, level: float) -> float:
    """The coverage that CV+ guarantees with n rows in equal folds."""
    K, size = float(folds), n / folds
    return 1.0 - 2.0 * (1.0 - level) - min(2.0 * (1.0 - 1.0 / K) / (size + 1.0), (1.0 - K / n) / (K + 1.0))


def fold_predictions(cross: CrossFit) -> Callable[[np.ndarray], np.ndarray]:
    """Rows (m, p) to predictions (m, N), each training row's column from the fit without its fold."""

    def without(X: np.ndarray) -> np.ndarray:
        by_fold = np.column_stack([fitted.predict(X) for fitted in cross.fits])
        return by_fold[:, cross.folds]

    return without


def cv_intervals(full: Any, cross: CrossFit, residuals: np.ndarray, X: np.ndarray, level: float, variant: str) -> Band:
    """Intervals (m,), (m,) at rows X (m, p) from fits by fold and their absolute out-of-fold residuals."""
    return intervals(full.predict, fold_predictions(cross), X, residuals, level, variant)
