"""Ridge regression for a whole path of penalties from one factorisation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.errors import OptionError


@dataclass(frozen=True)
class RidgeSolutions:
    """Solutions of min sum w (y - a - x'b)^2 + penalty |b|^2 over a grid of penalties.

    Attributes
    ----------
    penalties : ndarray, shape (k,)
    intercept : ndarray, shape (k,)
    coef : ndarray, shape (k, p)
    degrees_of_freedom : ndarray, shape (k,)
        Trace of the hat matrix, the intercept's one included.
    loo_error : ndarray, shape (k,)
        Weighted mean of squared leave-one-out residuals, in closed form.
    """

    penalties: np.ndarray
    intercept: np.ndarray
    coef: np.ndarray
    degrees_of_freedom: np.ndarray
    loo_error: np.ndarray

    @property
    def best(self) -> int:
        """Index of the penalty with the smallest leave-one-out error."""
        return int(np.argmin(self.loo_error))


def ridge_path(
    columns: np.ndarray, response: np.ndarray, penalties: np.ndarray, weights: np.ndarray | None = None
) -> RidgeSolutions:
    """Fit ridge for every penalty by one singular value decomposition.

    Parameters
    ----------
    columns : ndarray, shape (n, p)
        Without an intercept; they are centred here, which leaves the intercept unpenalised.
    response : ndarray, shape (n,)
    penalties : ndarray, shape (k,)
        Positive, on the scale of the sum of squares.
    weights : ndarray, shape (n,), optional
    """
    penalties = np.atleast_1d(np.asarray(penalties, dtype=np.float64))
    if (penalties <= 0).any() or not np.isfinite(penalties).all():
        raise OptionError("ridge penalties must be positive and finite; use least squares for no penalty.")
    w = np.ones(len(response)) if weights is None else weights
    total = w.sum()
    centre, level = (w @ columns) / total, (w @ response) / total
    root = np.sqrt(w)
    left, singular, right = np.linalg.svd((columns - centre) * root[:, None], full_matrices=False)
    target = (response - level) * root
    projected = left.T @ target
    shrink = singular**2 / (singular**2 + penalties[:, None])
    coef = (singular / (singular**2 + penalties[:, None]) * projected) @ right
    # The intercept has leverage w_i / sum w beside the penalised directions.
    leverage = (shrink @ (left**2).T) + w / total
    fitted = (shrink * projected) @ left.T
    residual = (target - fitted) / np.maximum(1.0 - leverage, 1e-12)
    return RidgeSolutions(
        penalties, level - coef @ centre, coef, 1.0 + shrink.sum(axis=1), (residual**2).sum(axis=1) / total
    )
