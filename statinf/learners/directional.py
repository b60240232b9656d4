"""Directional quantiles of several outcomes: the quantile of u'y given x for every direction u of a set.

Paindaveine and Siman (2011); Feldman, Bates and Romano (2021, arXiv 2110.00816). The half-spaces {y : u'y >= q(x, u)} have
the quantile region of their level as their intersection. Linear quantiles are exact, all directions solved together;
any other learner of quantiles is fitted to each direction by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import progress_bar
from statinf.errors import OptionError
from statinf.learners.base import require
from statinf.learners.linear_quantile import LinearQuantile
from statinf.learners.registry import resolve
from statinf.numerics.linear.factors import triangular_factor
from statinf.numerics.linear.reduction import independent_columns
from statinf.numerics.quantreg.solver import solve_quantiles


@dataclass(frozen=True)
class FittedDirectional:
    """Fitted quantiles of u'y for unit directions u.

    Attributes
    ----------
    directions : ndarray, shape (K, d)
    tau : float
    coefficients : ndarray, shape (K, p + 1), or None
        Of linear quantiles, the intercept first.
    fits : tuple
        Of other learners, one fit per direction.
    """

    directions: np.ndarray
    tau: float
    coefficients: np.ndarray | None
    fits: tuple[Any, ...] = ()

    def offsets(self, X: np.ndarray) -> np.ndarray:
        """Quantiles (n, K) at rows X (n, p)."""
        X = np.asarray(X, np.float64)
        if self.coefficients is not None:
            return X @ self.coefficients[:, 1:].T + self.coefficients[:, 0]
        return np.column_stack([fit.predict_quantiles(X, np.array([self.tau]))[:, 0] for fit in self.fits])


@dataclass(frozen=True)
class DirectionalQuantiles:
    """Quantiles of u'y at one level, for every direction of a set.

    Parameters
    ----------
    directions : ndarray, shape (K, d)
        Unit vectors.
    tau : float
        In (0, 0.5).
    model : str or object
        A learner of quantiles.

    Examples
    --------
    >>> import numpy as np
    >>> from statinf.learners.directional import DirectionalQuantiles
    >>> Y = np.column_stack([np.arange(9.0), np.zeros(9)])
    >>> fitted = DirectionalQuantiles(np.array([[1.0, 0.0], [-1.0, 0.0]]), 0.25).fit(np.empty((9, 0)), Y)
    >>> fitted.offsets(np.empty((1, 0))).tolist()
    [[2.0, -6.0]]
    """

    directions: np.ndarray
    tau: float
    model: Any = "rq"

    def __post_init__(self) -> None:
        if not 0.0 < self.tau < 0.5:
            raise OptionError(f"tau={self.tau!r} must lie strictly between 0 and 0.5.")

    def fit(self, X: np.ndarray, Y: np.ndarray, *, seed: int = 0) -> FittedDirectional:
        """Fit to covariates X (n, p) and outcomes Y (n, d)."""
        learner = resolve(self.model, "quantile", "model")
        along = self.directions @ Y.T
        if isinstance(learner, LinearQuantile):
            return FittedDirectional(self.directions, self.tau, _linear(X, along, self.tau))
        learner = learner.at_taus((self.tau,)) if hasattr(learner, "at_taus") else learner
        fits = tuple(learner.fit(X, own, seed=seed) for own in progress_bar(along, label="directions"))
        require(fits[0], "predict_quantiles", "A region of directional quantiles")
        return FittedDirectional(self.directions, self.tau, None, fits)


def _linear(X: np.ndarray, along: np.ndarray, tau: float) -> np.ndarray:
    """Coefficients (K, p + 1) of exact linear quantiles of the rows of `along` (K, n); columns that others determine get zero."""
    rows = np.column_stack([np.ones(len(X)), X])
    kept = independent_columns(triangular_factor(rows, np.ones(len(X))), rows.shape[1])
    out = np.zeros((len(along), rows.shape[1]))
    out[:, kept] = solve_quantiles(rows[:, kept], along, np.full(len(along), tau)).coef
    return out
