"""The penalised path of PRESTO (Faletto and Bien 2023, arXiv 2305.18700) on the caller's scale.

Estimand: P(Y = k | x) of ordered categories, above all of the last and rarest. Assumes
P(Y <= k | x) = logistic(a_k + x'b_k), increasing in k where x has support, with sparse differences b_k - b_{k-1}.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.errors import ConvergenceError, DataError, NumericalWarning, issue_warning
from statinf.numerics.cumulative_logit import probabilities
from statinf.numerics.cumulative_path import begin, largest_penalty, path, solve
from statinf.quantile.presto.options import PrestoOptions
from statinf.quantile.presto.rows import PrestoRows, Standardised


@dataclass(frozen=True, repr=False)
class PrestoPath(Brief):
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
    tol : float
    """

    penalties: np.ndarray
    intercepts: np.ndarray
    differences: np.ndarray
    loglik: np.ndarray
    residuals: np.ndarray
    tol: float

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

    def every_eta(self, columns: np.ndarray) -> np.ndarray:
        """Predictors of the boundaries at each penalty, shape (L, rows, K-1)."""
        return self.intercepts[:, None] + np.einsum("ij,lkj->lik", columns, self.slopes)

    @property
    def converged(self) -> np.ndarray:
        """Whether the conditions hold to the tolerance asked for, shape (L,) bool."""
        return self.residuals <= self.tol


def penalty_factor(
    standard: Standardised, weights: np.ndarray, options: PrestoOptions
) -> tuple[np.ndarray, np.ndarray]:
    """What multiplies each coordinate in the penalty, and which coordinates may move, each (R, d) for weights (R, n).

    Nothing multiplies intercepts, and b_1 if it is not penalised; slopes are measured in each fit's own standard
    deviations. Parallel slopes are those of b_1 alone.
    """
    spread, m = standard.spread(weights), standard.rows.n_categories - 1
    factor = np.repeat(spread[:, None], m, axis=1)
    factor[:, 0] *= float(options.penalize_first)
    free = np.repeat(spread[:, None] > 0, m, axis=1)
    free[:, 1:] &= not options.parallel
    first = np.zeros((len(weights), m))
    flat = (len(weights), -1)
    return np.hstack([first, factor.reshape(flat)]), np.hstack([first == 0, free.reshape(flat)])


def penalties_of(rows: PrestoRows, options: PrestoOptions) -> np.ndarray:
    """Penalties spaced evenly in their logarithm, from the one at which all that is penalised is zero."""
    standard, weights = rows.standardised(), rows.weights[None]
    factor, free = penalty_factor(standard, weights, options)
    fits = standard.fits(weights)
    gradient = fits.curves(fits.start(), np.arange(1)).gradient()
    if not options.penalize_first:
        at, nothing = begin(fits, fits.start()), np.zeros_like(factor)
        at = solve(fits, at, nothing, nothing, free & (factor == 0), tol=options.tol, max_iter=options.max_iter)
        gradient = at.gradient
    top = largest_penalty(gradient[0], (free & (factor > 0))[0], options.alpha)
    if top == 0.0:
        raise DataError("no column of the formula varies; there is nothing to penalise.")
    # a hair above, so that rounding of the gradient leaves nothing in at the first penalty
    return top * (1.0 + 1e-9) * np.geomspace(1.0, options.lambda_min_ratio, options.nlambda)


def presto_paths(
    rows: PrestoRows,
    weights: np.ndarray,
    penalties: np.ndarray,
    options: PrestoOptions,
    tol: np.ndarray | None = None,
) -> list[PrestoPath]:
    """Solutions at `penalties`, which fall, under each set of weights (R, n); each category has some weight in all of them.

    Whether the conditions hold is left to the caller: `converged`. `tol` (R,) is the options' own by default.
    """
    limits = np.full(len(weights), options.tol) if tol is None else tol
    standard = rows.standardised()
    factor, free = penalty_factor(standard, weights, options)
    m, p, mean, sd = rows.n_categories - 1, rows.X.shape[1], standard.mean, standard.sd
    fits = standard.fits(weights)
    found = path(fits, penalties, factor, options.alpha, free, tol=limits, max_iter=options.max_iter)
    out = []
    for r, total in enumerate(weights.sum(axis=1)):
        theta = found.theta[:, r]
        differences = theta[:, m:].reshape(-1, m, p) / sd + 0.0  # no negative zeros
        # the centring of boundary k is that of its own slopes, the sum of the differences up to k
        intercepts = theta[:, :m] - np.cumsum(differences, axis=1) @ mean
        loglik, residuals = -total * found.loss[:, r], found.residual[:, r]
        out.append(PrestoPath(penalties, intercepts, differences, loglik, residuals, float(limits[r])))
    return out


def check_converged(found: PrestoPath) -> PrestoPath:
    """The path, unless its conditions do not hold.

    Raises
    ------
    ConvergenceError
        If the KKT residual of a solution is above `tol`.
    """
    if found.converged.all():
        return found
    at = int(np.argmin(found.converged))
    raise ConvergenceError(
        f"penalty={found.penalties[at]:.4g}: the residual of the optimality conditions is {found.residuals[at]:.1e}, above "
        f"tol={found.tol:g}; raise max_iter=, or if the columns separate categories, the penalty."
    )


def presto_path(rows: PrestoRows, penalties: np.ndarray, options: PrestoOptions) -> PrestoPath:
    """Solutions at `penalties`, which fall, under the rows' own weights; a `ConvergenceError` if there are none."""
    return check_converged(presto_paths(rows, rows.weights[None], penalties, options)[0])


def class_probabilities(eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of the categories, shape (..., K), and whether the row's cumulative probabilities crossed.

    Predictors that cross are sorted.
    """
    crossed = np.any(np.diff(eta, axis=-1) < 0, axis=-1)
    return probabilities(np.sort(eta, axis=-1) if crossed.any() else eta), crossed


def warn_crossed(crossed: np.ndarray) -> None:
    """One warning with the share of rows whose cumulative probabilities were sorted."""
    if crossed.any():
        issue_warning(
            f"cumulative probabilities cross on {100 * crossed.mean():.3g} percent of the rows ({int(crossed.sum())}); "
            "they were sorted. A larger penalty crosses less.",
            NumericalWarning,
        )
