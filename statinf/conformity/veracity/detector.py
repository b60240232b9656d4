"""What a model expects at a row and how far off it may be: its own uncertainty, and the spread of outcomes around it.

Epistemic: the standard deviation of predictions over fits to subsamples of the rows. Aleatoric: the root of a second
regression, of squared out-of-fold residuals. A row is scored by a detector that was fitted without it, all of its parts
included.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.backend import generator, progress_bar
from statinf.brief import Brief
from statinf.conformity.procedure import check_finite
from statinf.learners import crossfit, fold_ids

SCORES = ("arithmetic", "geometric", "residual", "epistemic", "aleatoric")
_FLOOR = 1e-8
"""Least uncertainty, in standard deviations of the outcome."""
_LEAST_SQUARE = 1e-4
"""Least squared residual in a logarithm, in units of the mean one."""
_MOST_INNER = 10


@dataclass(frozen=True, repr=False)
class DetectorPlan(Brief):
    """How detectors are fitted.

    Attributes
    ----------
    learner : object
        Of the mean.
    scale : object or None
        Learner of squared residuals; None for one spread at all rows.
    log : bool
        Whether it learns their logarithms, which keeps a linear one positive.
    replicas : int
        Fits to subsamples.
    share : float
        Of the rows in a subsample.
    folds : int
    seed : int
    progress : bool or None
    labels : ndarray, shape (n,), optional
        The caller's own fold of each row.
    """

    learner: Any
    scale: Any
    log: bool
    replicas: int
    share: float
    folds: int
    seed: int
    progress: bool | None = None
    labels: np.ndarray | None = None

    def of(self, kept: np.ndarray) -> DetectorPlan:
        """The plan for some of the rows, (n,) bool."""
        return self if self.labels is None else replace(self, labels=self.labels[kept])

    def codes(self, n: int) -> np.ndarray:
        """Fold numbers (n,) of n rows."""
        return fold_ids(n, min(self.folds, n) if self.labels is None else self.labels, seed=self.seed)


@dataclass(frozen=True, repr=False)
class Parts(Brief):
    """What detectors say of rows: predictions and both uncertainties, shape (n,) each."""

    predicted: np.ndarray
    epistemic: np.ndarray
    aleatoric: np.ndarray

    def score(self, kind: str, y: np.ndarray, floor: float) -> np.ndarray:
        """Scores (n,) of recorded outcomes (n,), large for suspicious ones.

        Parameters
        ----------
        kind : str
            One of `SCORES`.
        floor : float
            Least uncertainty to divide by.
        """
        residual = np.abs(y - self.predicted)
        u, s = np.maximum(self.epistemic, floor), np.maximum(self.aleatoric, floor)
        over = {
            "arithmetic": np.maximum(self.epistemic + self.aleatoric, floor),
            "geometric": np.sqrt(u) * np.sqrt(s),
            "residual": 1.0,
            "epistemic": u,
            "aleatoric": s,
        }
        return residual / over[kind]


@dataclass(frozen=True, repr=False)
class Detector(Brief):
    """Fitted models of the mean, its subsamples and the spread.

    Attributes
    ----------
    mean : object
    subsampled : tuple
    scale : object or None
    spread : float
        Root mean squared out-of-fold residual.
    log : bool
    factor : float
        What makes squared residuals over the model's square one on average, for logarithms.
    """

    mean: Any
    subsampled: tuple[Any, ...]
    scale: Any
    spread: float
    log: bool
    factor: float

    def parts(self, X: np.ndarray) -> Parts:
        """Predictions and uncertainties at rows X (m, p)."""
        predicted = np.asarray(self.mean.predict(X), np.float64)
        check_finite(predicted, "predictions")
        epistemic = np.zeros(len(X))
        if self.subsampled:
            epistemic = np.std([fitted.predict(X) for fitted in self.subsampled], axis=0)
        if self.scale is None:
            return Parts(predicted, epistemic, np.full(len(X), self.spread))
        found = np.asarray(self.scale.predict(X), np.float64)
        square = self.factor * np.exp(np.minimum(found, 700.0)) if self.log else np.abs(found)
        return Parts(predicted, epistemic, np.sqrt(square))


def fit_detector(X: np.ndarray, y: np.ndarray, plan: DetectorPlan) -> Detector:
    """Fit all parts to rows X (n, p), y (n,)."""
    n, seed = len(y), plan.seed
    random = generator(seed, 67)
    size = max(1, round(plan.share * n))
    subsampled = []
    for _ in range(plan.replicas):
        rows = np.sort(random.permutation(n)[:size])
        subsampled.append(plan.learner.fit(X[rows], y[rows], seed=seed))
    inner = fold_ids(n, max(2, min(plan.folds, _MOST_INNER, n // 2)), seed=seed)
    residual = y - crossfit(plan.learner, X, y, inner, seed=seed, progress=False).predictions
    check_finite(residual, "out-of-fold predictions")
    square = np.square(residual)
    mean_square = float(square.mean())
    scale, factor = None, 1.0
    if plan.scale is not None and mean_square > 0.0:
        if plan.log:
            target = np.log(np.maximum(square, _LEAST_SQUARE * mean_square))
            scale = plan.scale.fit(X, target, seed=seed)
            factor = float(np.mean(square * np.exp(-np.asarray(scale.predict(X)))))
        else:
            scale = plan.scale.fit(X, square, seed=seed)
    mean = plan.learner.fit(X, y, seed=seed)
    return Detector(mean, tuple(subsampled), scale, float(np.sqrt(mean_square)), plan.log, factor)


def out_of_fold(X: np.ndarray, y: np.ndarray, plan: DetectorPlan) -> Parts:
    """What detectors say of rows X (n, p), y (n,) that they were fitted without."""
    n = len(y)
    folds = plan.codes(n)
    out = np.empty((3, n))
    for k in progress_bar(range(int(folds.max()) + 1), label="Scoring folds", show=plan.progress):
        at = folds == k
        found = fit_detector(X[~at], y[~at], plan).parts(X[at])
        out[:, at] = found.predicted, found.epistemic, found.aleatoric
    return joined(out, plan)


def joined(columns: np.ndarray, plan: DetectorPlan) -> Parts:
    """Predictions and uncertainties (3, n) of several detectors; where none models the spread, it is one for all."""
    if plan.scale is None:
        columns[2] = np.sqrt(np.mean(np.square(columns[2])))
    return Parts(*columns)


def least_uncertainty(y: np.ndarray) -> float:
    """The floor of what a residual is divided by."""
    return _FLOOR * float(np.std(y))
