"""Linear quantile regression as a learner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.errors import OptionError
from statinf.learners.base import check_rows
from statinf.numerics.linear.factors import triangular_factor
from statinf.numerics.linear.reduction import independent_columns
from statinf.numerics.quantreg.solver import fit_quantiles


@dataclass(frozen=True)
class FittedLinearQuantile:
    """Coefficients (t, p + 1), the intercept first, at quantile levels (t,)."""

    taus: np.ndarray
    coefficients: np.ndarray

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Conditional medians (n,), of the levels fitted the one nearest to 0.5."""
        return self.predict_quantiles(X, self.taus[[int(np.argmin(np.abs(self.taus - 0.5)))]])[:, 0]

    def predict_quantiles(self, X: np.ndarray, taus: np.ndarray) -> np.ndarray:
        """Conditional quantiles (n, t) at levels that were fitted; they may cross."""
        where = [int(np.argmin(np.abs(self.taus - t))) for t in taus]
        if not np.allclose(self.taus[where], taus, rtol=0.0, atol=1e-12):
            raise OptionError(f"Fitted at quantile levels {self.taus.tolist()}; asked for {list(taus)}.")
        chosen = self.coefficients[where]
        return np.asarray(X, np.float64) @ chosen[:, 1:].T + chosen[:, 0]


@dataclass(frozen=True)
class LinearQuantile:
    """Linear quantile regression (Koenker and Bassett, 1978), exact at each level.

    Parameters
    ----------
    taus : tuple of float
        Quantile levels in (0, 1).
    """

    taus: tuple[float, ...] = (0.05, 0.5, 0.95)

    def __post_init__(self) -> None:
        if not self.taus or not all(0.0 < t < 1.0 for t in self.taus):
            raise OptionError(f"taus={self.taus!r} must be quantile levels between 0 and 1.")

    def at_taus(self, taus: tuple[float, ...]) -> LinearQuantile:
        """The same learner for other quantile levels."""
        return LinearQuantile(tuple(float(t) for t in taus))

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> FittedLinearQuantile:
        """Fit to X (n, p), y (n,), weights (n,); columns that others determine get zero. `seed` is not used."""
        X, y, w = check_rows(X, y, w)
        rows = np.column_stack([np.ones(len(y)), X])
        kept = independent_columns(triangular_factor(rows, w), rows.shape[1])
        coefficients = np.zeros((len(self.taus), rows.shape[1]))
        coefficients[:, kept] = fit_quantiles(rows[:, kept], y, np.asarray(self.taus), w)
        return FittedLinearQuantile(np.asarray(self.taus), coefficients)
