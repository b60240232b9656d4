"""A mean of rows as a function of linear predictors, whose coefficients have their places among a fit's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.brief import Brief

_STEP = 1e-3


def _identity(eta: np.ndarray) -> np.ndarray:
    return eta[:, 0]


def _ones(eta: np.ndarray) -> np.ndarray:
    return np.ones_like(eta)


@dataclass(frozen=True, repr=False)
class IndexedMean(Brief):
    """One mean of a fit: a function of one or more linear predictors.

    Attributes
    ----------
    places : ndarray of int, shape (J, p)
        The coefficient that each column has in each predictor, as its place in the fit's `theta`; -1 for none.
    inverse : callable
        From predictors (m, J) to means (m,).
    slope : callable
        To the derivatives of the mean in each predictor, (m, J).
    name : object
        Of the mean where a fit has several, such as a level of a quantile regression or a class.
    signs : ndarray, shape (J, p), optional
        Factors of the coefficients; ones by default.
    linear : bool
        Whether the mean is its one predictor.
    """

    places: np.ndarray
    inverse: Callable[[np.ndarray], np.ndarray] = _identity
    slope: Callable[[np.ndarray], np.ndarray] = _ones
    name: Any = ""
    signs: np.ndarray | None = None
    linear: bool = field(default=False)

    @property
    def predictors(self) -> int:
        return len(self.places)

    def coefficients(self, theta: np.ndarray) -> np.ndarray:
        """Coefficients of the predictors, shape (..., J, p), from theta (..., q); aliased and absent ones count as zero."""
        made = np.where(self.places >= 0, np.nan_to_num(theta)[..., self.places], 0.0)
        return made if self.signs is None else made * self.signs

    def gathered(self, gradient: np.ndarray, q: int) -> np.ndarray:
        """Derivatives in theta (..., q) from those in the predictors' coefficients (..., J, p)."""
        if self.signs is not None:
            gradient = gradient * self.signs
        flat, places = gradient.reshape(*gradient.shape[:-2], -1), self.places.ravel()
        if self.predictors == 1 and len(places) == q and np.array_equal(places, np.arange(q)):
            return flat
        there = places >= 0
        spread = np.zeros((int(there.sum()), q))
        spread[np.arange(len(spread)), places[there]] = 1.0
        return flat[..., there] @ spread

    def curvature(self, eta: np.ndarray) -> np.ndarray:
        """Second derivatives of the mean, shape (m, J, J), by five-point differences of the slope (about 1e-12 relative)."""
        m, count = eta.shape
        out = np.empty((m, count, count))
        for j in range(count):
            step = _STEP * np.clip(np.abs(eta[:, j]), 1e-2, 1.0)

            def moved(times: float, j: int = j, step: np.ndarray = step) -> np.ndarray:
                shifted = eta.copy()
                shifted[:, j] += times * step
                return self.slope(shifted)

            near, far = moved(1.0) - moved(-1.0), moved(2.0) - moved(-2.0)
            out[:, :, j] = (8.0 * near - far) / (12.0 * step[:, None])
        return out
