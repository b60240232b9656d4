"""The penalised path of PRESTO (Faletto and Bien 2023, arXiv 2305.18700) on the caller's scale.

Estimand: P(Y = k | x) of ordered categories, above all of the last and rarest. Assumes
P(Y <= k | x) = logistic(a_k + x'b_k), increasing in k where x has support, with sparse differences b_k - b_{k-1}.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from statinf.errors import ConvergenceError, DataError, NumericalWarning, issue_warning
from statinf.numerics.cumulative_logit import CumulativeLogit, probabilities
from statinf.numerics.cumulative_path import largest_penalty, path, solve
from statinf.quantile.presto.options import PrestoOptions


@dataclass(frozen=True)
class PrestoPath:
    """Solutions along the penalties, on the caller's scale.

    Attributes
    ----------
    penalties : ndarray, shape (L,)
        From large to small.
    intercepts : ndarray, shape (L, K-1)
    differences : ndarray, shape (L, K-1, p)
        b_1, b_2 - b_1, ..., b_{K-1} - b_{K-2}.
    loglik : ndarray, shape (L,)
        With the weights as they were given.
    residuals : ndarray, shape (L,)
        Of the KKT conditions, on standardised columns.
    """

    penalties: np.ndarray
    intercepts: np.ndarray
    differences: np.ndarray
    loglik: np.ndarray
    residuals: np.ndarray

    @property
    def slopes(self) -> np.ndarray:
        """Slopes of each boundary, b_k, shape (L, K-1, p)."""
        return np.cumsum(self.differences, axis=1)

    @property
    def n_nonproportional(self) -> np.ndarray:
        """Columns whose slope differs between boundaries, shape (L,)."""
        return np.any(self.differences[:, 1:] != 0, axis=1).sum(axis=1)

    def eta(self, which: int, columns: np.ndarray) -> np.ndarray:
        """Predictors of the boundaries, shape (rows, K-1)."""
        return self.intercepts[which] + columns @ self.slopes[which].T


@dataclass(frozen=True)
class PrestoRows:
    """Rows of a PRESTO fit.

    Attributes
    ----------
    X : ndarray, shape (n, p)
    codes : ndarray of int, shape (n,)
        Categories 0..K-1, the rare one last.
    n_categories : int
    weights : ndarray, shape (n,)
        Not negative.
    """

    X: np.ndarray
    codes: np.ndarray
    n_categories: int
    weights: np.ndarray

    def take(self, rows: np.ndarray) -> PrestoRows:
        """Some of the rows."""
        return PrestoRows(self.X[rows], self.codes[rows], self.n_categories, self.weights[rows])

    def columns(self, kept: np.ndarray) -> PrestoRows:
        """The same rows with some of the columns."""
        return self if kept.all() else replace(self, X=self.X[:, kept])

    def reweighted(self, weights: np.ndarray) -> PrestoRows:
        """The rows of positive weight, with other weights."""
        drawn = weights > 0
        return PrestoRows(self.X[drawn], self.codes[drawn], self.n_categories, weights[drawn])

    def standardised(self) -> tuple[CumulativeLogit, np.ndarray, np.ndarray]:
        """The model on columns of weighted mean 0 and standard deviation 1, with means and standard deviations."""
        w = self.weights / self.weights.sum()
        mean = w @ self.X
        centred = self.X - mean
        mean = mean + (shift := w @ centred)  # a second pass: columns far from zero keep their digits
        centred = centred - shift
        size = np.abs(self.X).max(axis=0, initial=0.0)
        sd = np.sqrt(w @ centred**2)
        constant = sd <= 1e-13 * size
        centred[:, constant] = 0.0
        sd = np.where(constant, 1.0, sd)
        return CumulativeLogit(centred / sd, self.codes, self.n_categories, self.weights), mean, sd


def penalty_factor(rows: PrestoRows, options: PrestoOptions) -> tuple[np.ndarray, np.ndarray]:
    """What multiplies the penalty of each coordinate, and the coordinates that may move.

    Nothing multiplies that of intercepts, and of b_1 if it is not penalised; parallel slopes are those of b_1 alone.
    """
    m, p = rows.n_categories - 1, rows.X.shape[1]
    factor = np.ones((m, p))
    factor[0] = float(options.penalize_first)
    return np.concatenate([np.zeros(m), factor.ravel()]), np.arange(m + p if options.parallel else m * (1 + p))


def penalties_of(rows: PrestoRows, options: PrestoOptions) -> np.ndarray:
    """Penalties spaced evenly in their logarithm, from the one at which all that is penalised is zero."""
    model, _, _ = rows.standardised()
    factor, free = penalty_factor(rows, options)
    start = model.start()
    nothing = np.zeros(model.size)
    if not options.penalize_first:
        start = solve(model, start, nothing, nothing, np.flatnonzero(factor == 0)).theta
    penalised = np.zeros(model.size, bool)
    penalised[free] = factor[free] > 0
    top = largest_penalty(model.gradient(start), penalised, options.alpha)
    if top == 0.0:
        raise DataError("no column of the formula varies; there is nothing to penalise.")
    # a hair above, so that rounding of the gradient leaves nothing in at the first penalty
    return top * (1.0 + 1e-9) * np.geomspace(1.0, options.lambda_min_ratio, options.nlambda)


def presto_path(
    rows: PrestoRows, penalties: np.ndarray, options: PrestoOptions, start: np.ndarray | None = None
) -> PrestoPath:
    """Solutions at `penalties`, which fall.

    Raises
    ------
    ConvergenceError
        If the KKT residual of a solution is above `tol`.
    """
    model, mean, sd = rows.standardised()
    factor, free = penalty_factor(rows, options)
    m, p = model.boundaries, rows.X.shape[1]
    found = path(model, penalties, factor, options.alpha, free, start=start, tol=options.tol, max_iter=options.max_iter)
    for penalty, one in zip(penalties, found, strict=True):
        if not one.converged:
            raise ConvergenceError(
                f"penalty={penalty:.4g}: the residual of the optimality conditions is {one.residual:.1e} after "
                f"{one.steps} steps, above tol={options.tol:g}; categories that the columns separate need a larger penalty."
            )
    theta = np.stack([one.theta for one in found])
    differences = theta[:, m:].reshape(-1, m, p) / sd + 0.0  # no negative zeros
    # the centring of boundary k is that of its own slopes, the sum of the differences up to k
    intercepts = theta[:, :m] - np.cumsum(differences, axis=1) @ mean
    total = rows.weights.sum()
    loglik = np.array([-total * model.loss(one.theta) for one in found])
    return PrestoPath(penalties, intercepts, differences, loglik, np.array([one.residual for one in found]))


def class_probabilities(eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of the categories, shape (rows, K), and whether the row's cumulative probabilities crossed.

    Predictors that cross are sorted.
    """
    crossed = np.any(np.diff(eta, axis=1) < 0, axis=1)
    return probabilities(np.sort(eta, axis=1)), crossed


def warn_crossed(crossed: np.ndarray) -> None:
    """One warning with the share of rows whose cumulative probabilities were sorted."""
    if crossed.any():
        issue_warning(
            f"cumulative probabilities cross on {100 * crossed.mean():.3g} percent of the rows ({int(crossed.sum())}); "
            "they were sorted. A larger penalty crosses less.",
            NumericalWarning,
        )
