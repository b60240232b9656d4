"""Fits that are linear in the outcomes, and what follows in closed form.

For a fit with hat values ``h(x, z) = x'(X'WX + L)^-1 z`` (a kernel's analogue included), deleting row i moves
the prediction at x by ``-w_i h(x, x_i) e_i / (1 - w_i h_ii)``, and adding a row (x, y) of weight one moves the
prediction at x_i by ``h(x_i, x) (y - mu(x)) / (1 + h(x, x))``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

_FULL_LEVERAGE = 1e-12
"""A row whose deletion leaves less than this share of its residual's freedom determines its own fit."""


@dataclass(frozen=True)
class LinearSmoother:
    """A fit linear in y, with its hat values.

    Attributes
    ----------
    fitted : object
        The fit on all rows, with `predict`.
    residuals : ndarray, shape (n,)
        ``y - mu(X)``.
    leverages : ndarray, shape (n,)
        ``h(x_i, x_i)``, without the row's weight.
    weights : ndarray, shape (n,)
    cross : callable
        New rows (m, p), and which training rows, to ``h(x, x_i)``, shape (m, n) or fewer columns.
    own : callable
        New rows (m, p) to ``h(x, x)``, shape (m,).
    """

    fitted: Any
    residuals: np.ndarray
    leverages: np.ndarray
    weights: np.ndarray
    cross: Callable[..., np.ndarray]
    own: Callable[[np.ndarray], np.ndarray]

    @property
    def deletion(self) -> np.ndarray:
        """Residual of each row from the fit without it (n,); infinite where the row fits itself."""
        freedom = 1.0 - self.weights * self.leverages
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(freedom > _FULL_LEVERAGE, self.residuals / freedom, np.inf)

    @property
    def _pull(self) -> np.ndarray:
        deletion = self.deletion
        return np.where(np.isfinite(deletion), self.weights * deletion, 0.0)

    def predict_without(self, X: np.ndarray, which: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Predictions (m, n) at new rows from each of the n fits that leave one row out, or from some of them.

        Columns of rows that determine their own fit hold the full fit; their residual is infinite.
        """
        out = self.cross(X, which)
        out *= -self._pull[which]
        out += self.fitted.predict(X)[:, None]
        return out

    def reach(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bounds (m,), (m,) of those predictions: hat values obey the Cauchy-Schwarz inequality."""
        centre = self.fitted.predict(X)
        most = float(np.max(np.abs(self._pull) * np.sqrt(np.maximum(self.leverages, 0.0))))
        half = np.sqrt(np.maximum(self.own(X), 0.0)) * most
        return centre - half, centre + half
