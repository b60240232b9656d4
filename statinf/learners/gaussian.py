"""Normal linear location-scale regression by maximum likelihood.

``y | x ~ N(b0 + x'b, exp(g0 + x'g)^2)``. The information matrix is block diagonal, so the fit alternates
weighted least squares for the mean with Fisher scoring for the log scale (Harvey, 1976).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from statinf.errors import ConvergenceError, DataError
from statinf.learners.base import check_rows
from statinf.learners.linear import FittedLinear, LeastSquares
from statinf.numerics.laws.normal_mixture import NormalMixture

_LARGEST = 350.0
"""Of log scales, far from where they were learnt: squares of scales stay finite."""


@dataclass(frozen=True)
class FittedLocationScale:
    """A fitted mean and a fitted log scale, each with `predict`."""

    mean: object
    log_scale: object
    floor: float

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Conditional means (n,)."""
        return self.mean.predict(X)  # type: ignore[attr-defined]

    def predict_scale(self, X: np.ndarray) -> np.ndarray:
        """Conditional standard deviations (n,), never below the floor."""
        log_scale = np.minimum(self.log_scale.predict(X), _LARGEST)  # type: ignore[attr-defined]
        return np.maximum(np.exp(log_scale), self.floor)

    def mixture(self, X: np.ndarray) -> NormalMixture:
        """The conditional law as a mixture of one normal."""
        mean, scale = self.predict(X)[:, None], self.predict_scale(X)[:, None]
        return NormalMixture(np.ones_like(mean), mean, scale)

    def predict_quantiles(self, X: np.ndarray, taus: np.ndarray) -> np.ndarray:
        """Conditional quantiles (n, t) of the normal law."""
        return self.mixture(X).quantile(np.asarray(taus))

    def sample(self, X: np.ndarray, size: int, *, seed: int = 0, stream: int = 0) -> np.ndarray:
        """Draws (n, size) from the conditional law."""
        return self.mixture(X).sample(size, seed=seed, stream=stream)


@dataclass(frozen=True)
class GaussianLocationScale:
    """Maximum likelihood for a linear mean and a log-linear scale with normal errors.

    Parameters
    ----------
    tolerance : float
        Stops when the log likelihood per unit weight gains less.
    iterations : int
        At most; `ConvergenceError` beyond.
    """

    predicts_scale: ClassVar[bool] = True

    tolerance: float = 1e-12
    iterations: int = 200

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> FittedLocationScale:
        """Fit to X (n, p), y (n,), weights (n,); `seed` is not used.

        Raises
        ------
        DataError
            If the mean fits the outcomes exactly, so that no scale exists.
        ConvergenceError
            If the likelihood keeps rising, as it does when the scale runs to zero somewhere.
        """
        X, y, w = check_rows(X, y, w)
        ls = LeastSquares()
        mean = ls.fit(X, y, w)
        variance = float(np.average((y - mean.predict(X)) ** 2, weights=w))
        if variance <= 1e-24 * max(float(np.average(y**2, weights=w)), 1e-300):
            raise DataError("The mean fits every outcome exactly; a location-scale model has no scale to estimate.")
        scale = FittedLinear(0.5 * np.log(variance), np.zeros(X.shape[1]))
        last = _likelihood(y, mean.predict(X), scale.predict(X), w)
        for _ in range(self.iterations):
            log_scale = scale.predict(X)
            mean = ls.fit(X, y, w * np.exp(-2.0 * (log_scale - log_scale.mean())))
            square = ((y - mean.predict(X)) * np.exp(-log_scale)) ** 2
            step = ls.fit(X, 0.5 * (square - 1.0), w)
            scale, value = _climb(X, y, w, mean, scale, step, last)
            if value - last < self.tolerance:
                floor = 1e-8 * float(np.median(np.exp(scale.predict(X))))
                return FittedLocationScale(mean, scale, floor)
            last = value
        raise ConvergenceError(
            f"The location-scale likelihood still rose by {value - last:.1e} after {self.iterations} iterations; "
            "a column may fit some outcomes exactly. Use model='location_scale' or fewer columns."
        )


def _likelihood(y: np.ndarray, mean: np.ndarray, log_scale: np.ndarray, w: np.ndarray) -> float:
    with np.errstate(over="ignore", invalid="ignore"):  # a step too far is halved
        return float(np.average(-log_scale - 0.5 * ((y - mean) * np.exp(-log_scale)) ** 2, weights=w))


def _climb(X, y, w, mean, scale: FittedLinear, step: FittedLinear, last: float) -> tuple[FittedLinear, float]:
    """Halve the scoring step until the likelihood does not fall."""
    size = 1.0
    for _ in range(40):
        trial = FittedLinear(scale.intercept + size * step.intercept, scale.coefficients + size * step.coefficients)
        value = _likelihood(y, mean.predict(X), trial.predict(X), w)
        if value >= last:
            return trial, value
        size /= 2.0
    return scale, last
