"""Location-scale models from any two learners: one for the mean, one for the log of absolute residuals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from statinf.learners.base import check_rows
from statinf.learners.gaussian import FittedLocationScale
from statinf.learners.linear import FittedLinear
from statinf.learners.registry import resolve

_FLOOR = 1e-8


@dataclass(frozen=True)
class _Shifted:
    """A learner's prediction plus a constant."""

    fitted: Any
    shift: float

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.fitted.predict(X) + self.shift


@dataclass(frozen=True)
class LocationScale:
    """A mean learner, and a scale learner fitted to log absolute residuals.

    The scale is shifted so that standardised residuals have mean square one.

    Parameters
    ----------
    mean, scale : str or object
        Learners of a mean: names or objects with `fit` and `predict`.
    held_out : bool
        Whether residuals come from five-fold cross-fitting, which a flexible mean needs: its residuals on
        the rows it was fitted to are too small. A linear mean does without.
    """

    predicts_scale: ClassVar[bool] = True

    mean: Any = "lm"
    scale: Any = "lm"
    held_out: bool = False

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> FittedLocationScale:
        """Fit to X (n, p), y (n,), weights (n,)."""
        X, y, w = check_rows(X, y, w)
        learner, scale = resolve(self.mean, "mean"), resolve(self.scale, "scale")
        mean = learner.fit(X, y, w, seed=seed)
        if self.held_out:
            from statinf.learners.crossfit import crossfit, fold_ids

            predicted = crossfit(learner, X, y, fold_ids(len(y), 5, seed=seed), w, seed=seed).predictions
        else:
            predicted = mean.predict(X)
        size = np.abs(y - predicted)
        typical = float(np.average(size, weights=w))
        if typical <= 0.0:
            return FittedLocationScale(mean, FittedLinear(np.log(_FLOOR), np.zeros(X.shape[1])), _FLOOR)
        # A residual of zero has no logarithm; a thousandth of the typical size keeps it from ruling the fit.
        raw = scale.fit(X, np.log(np.maximum(size, 1e-3 * typical)), w, seed=seed)
        log_scale = raw.predict(X)
        shift = 0.5 * np.log(np.average((size * np.exp(-log_scale)) ** 2, weights=w))
        floor = _FLOOR * float(np.median(np.exp(log_scale + shift)))
        return FittedLocationScale(mean, _Shifted(raw, float(shift)), floor)
