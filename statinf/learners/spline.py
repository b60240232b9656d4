"""Additive splines with a ridge penalty chosen by leave-one-out error.

Each column with enough different values gets natural cubic splines with knots at its quantiles (Hastie,
Tibshirani and Friedman 2009, 5.2); the others enter as they are. One penalty serves all columns.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from statinf.errors import OptionError
from statinf.learners.base import check_rows
from statinf.learners.linear import FittedLinear
from statinf.learners.ridge_path import RidgePath
from statinf.numerics.order.quantiles import weighted_quantile


@dataclass(frozen=True)
class FittedSpline:
    """A linear fit on spline columns."""

    linear: FittedLinear
    knots: tuple[np.ndarray, ...] = field(repr=False)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predictions (n,); linear beyond the outer knots."""
        return self.linear.predict(expand(np.asarray(X, np.float64), self.knots))

    def predict_along(self, X: np.ndarray, column: int, values: np.ndarray) -> np.ndarray:
        """Predictions (n, m) with one column moved to each value (m,): its part of an additive function alone changes."""
        few = np.repeat(X[:1], len(values), axis=0)
        few[:, column] = values
        first = X.copy()
        first[:, column] = values[0]
        moved = self.predict(few)
        return self.predict(first)[:, None] + (moved - moved[0])


@dataclass(frozen=True)
class SplineRidge:
    """Additive natural cubic splines.

    Parameters
    ----------
    knots : int
        A column, at quantiles; columns with fewer different values than that stay linear.
    penalties : tuple of float
        Grid for leave-one-out.
    """

    knots: int = 6
    penalties: tuple[float, ...] = tuple(10.0 ** np.linspace(-7, 1, 25))

    def __post_init__(self) -> None:
        if self.knots < 3:
            raise OptionError(f"knots={self.knots!r} must be at least 3.")

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> FittedSpline:
        """Fit to X (n, p), y (n,), weights (n,); `seed` is not used."""
        X, y, w = check_rows(X, y, w)
        knots = tuple(self._knots(X[:, j], w) for j in range(X.shape[1]))
        return FittedSpline(RidgePath(self.penalties).fit(expand(X, knots), y, w), knots)

    def _knots(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        if len(np.unique(x[w > 0][:10_000])) <= self.knots:
            return np.empty(0)
        found = np.unique(weighted_quantile(x, np.linspace(0.02, 0.98, self.knots), w))
        return found if len(found) >= 3 else np.empty(0)


def expand(X: np.ndarray, knots: tuple[np.ndarray, ...]) -> np.ndarray:
    """Columns X (n, p) with the natural cubic spline columns of those that have knots behind them."""
    parts = [X]
    for j, at in enumerate(knots):
        if not len(at):
            continue
        span = at[-1] - at[0]
        x, t = (X[:, j] - at[0]) / span, (at - at[0]) / span
        over = np.maximum(np.minimum(x, 1.0)[:, None] - t, 0.0)
        slope = over[:, :-1] * over[:, :-1] * over[:, :-1] / (1.0 - t[:-1])
        # Beyond the last knot lines, whose cubes would cancel.
        parts.append(slope[:, :-1] - slope[:, -1:] + np.maximum(x - 1.0, 0.0)[:, None] * (3.0 * (t[-2] - t[:-2])))
    return np.column_stack(parts)
