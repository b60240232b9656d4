"""How many rows to leave out: the share at which a model fitted to the other rows predicts all rows best.

Rows with the largest scores are left out, the model is fitted to the others, and its R squared is taken over all rows, the
ones left out included: out-of-fold predictions for rows kept, predictions of the fit to them for the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from statinf.conformity.veracity.detector import DetectorPlan
from statinf.learners import crossfit

_FINE, _MOST = 0.01 * np.arange(-4, 5), 0.5


def kept_rows(score: np.ndarray, share: float) -> np.ndarray:
    """Rows (n,) bool below the score's quantile that leaves out a share; all of them for none."""
    return np.ones(len(score), bool) if share == 0.0 else score < np.quantile(score, 1.0 - share)


def r_squared(X: np.ndarray, y: np.ndarray, kept: np.ndarray, folds: np.ndarray, plan: DetectorPlan) -> float:
    """R squared over all rows of the model fitted to those kept; minus infinity where a fold loses all its rows."""
    if not np.bincount(folds[kept], minlength=int(folds.max()) + 1).all():
        return -np.inf
    predicted = np.empty(len(y))
    found = crossfit(plan.learner, X[kept], y[kept], folds[kept], seed=plan.seed, progress=False)
    predicted[kept] = found.predictions
    if not kept.all():
        predicted[~kept] = plan.learner.fit(X[kept], y[kept], seed=plan.seed).predict(X[~kept])
    return 1.0 - float(np.sum((predicted - y) ** 2) / np.sum((y - y.mean()) ** 2))


def search(
    X: np.ndarray, y: np.ndarray, score: np.ndarray, grid: Sequence[float], plan: DetectorPlan, *, fine: bool
) -> dict[float, float]:
    """R squared by share left out: none, a coarse grid, and a fine one around the best of them.

    Folds are the same for all shares, so that what differs is what was left out.
    """
    folds = plan.codes(len(y))
    path = {p: r_squared(X, y, kept_rows(score, p), folds, plan) for p in (0.0, *grid)}
    best = max(path, key=lambda p: path[p])
    for p in np.round(best + _FINE, 10) if fine else ():
        if 0.0 < p <= _MOST and float(p) not in path:
            path[float(p)] = r_squared(X, y, kept_rows(score, float(p)), folds, plan)
    return dict(sorted(path.items()))
