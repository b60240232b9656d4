"""CV+ and CV-minmax prediction intervals.

Barber, Candes, Ramdas and Tibshirani (2021, arXiv 1905.02928): the jackknife+ with folds in place of rows left out
one by one. Coverage with K folds of N / K rows is at least
``1 - 2a - min(2 (1 - 1/K) / (N/K + 1), (1 - K/N) / (K + 1))`` with ``a = 1 - level``. MAPIE's CrossConformalRegressor on
the same folds gives the same intervals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.conformity.jackknife import intervals
from statinf.conformity.score import Band
from statinf.learners.crossfit import CrossFit


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

    def reach(self, X: np.ndarray) -> Band:
        """Least and largest prediction of each row."""
        found = self.by_fold(X)
        return found.min(axis=1), found.max(axis=1)

    def columns(self, X: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Predictions (m, len(which)) at rows X without the folds of the training rows `which`."""
        return self.by_fold(X)[:, self.cross.folds[which]]


def cv_intervals(full: Any, cross: CrossFit, residuals: np.ndarray, X: np.ndarray, level: float, variant: str) -> Band:
    """Intervals (m,), (m,) at rows X (m, p) from fits by fold and their absolute out-of-fold residuals."""
    return intervals(full.predict, Folds(cross), X, residuals, level, variant)
