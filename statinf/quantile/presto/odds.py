"""The proportional-odds model (McCullagh 1980): one slope vector for all boundaries, without a penalty.

Estimand: a_k and b in P(Y <= k | x) = logistic(a_k + x'b), by maximum likelihood; robust covariances hold for the
minimiser of the expected negative log-likelihood where the model is wrong.
"""

from __future__ import annotations

import numpy as np

from statinf.errors import ConvergenceError, NotIdentifiedError
from statinf.inference.moments import Moments
from statinf.numerics.cumulative_path import solve
from statinf.quantile.presto.path import PrestoRows

_SINGULAR = 1e-9


def proportional_odds(
    rows: PrestoRows, *, tol: float = 1e-10, max_iter: int = 100
) -> tuple[np.ndarray, float, Moments]:
    """Intercepts then slopes, shape (K-1+p,), on the caller's scale; the log-likelihood; the moments.

    Raises
    ------
    NotIdentifiedError
        If the information is singular: aliased columns.
    ConvergenceError
        If the likelihood has no maximum, because columns separate categories.
    """
    model, mean, sd = rows.standardised()
    m, p = model.boundaries, rows.X.shape[1]
    free = np.arange(m + p)
    nothing = np.zeros(model.size)
    found = solve(model, model.start(), nothing, nothing, free, tol=tol, max_iter=max_iter)
    total = rows.weights.sum()
    information = total * model.hessian(found.theta)[np.ix_(free, free)]
    # columns are standardised, so the mean information vanishes along aliased columns and where a separation runs off
    if np.linalg.eigvalsh(information / total)[0] < _SINGULAR:
        raise NotIdentifiedError(
            "a column is constant or determined by the others, or columns separate categories; drop the column, or give "
            "penalty= a positive number."
        )
    if not found.converged:
        raise ConvergenceError(
            f"the gradient is {found.residual:.1e} after {found.steps} steps, above tol={tol:g}; if the columns separate "
            "categories the likelihood has no maximum: give penalty= a positive number."
        )
    # a_raw = a - mean'(b/sd), b_raw = b/sd
    to_raw = np.eye(m + p)
    to_raw[m:, m:] = np.diag(1.0 / sd)
    to_raw[:m, m:] = -mean / sd
    to_standard = np.eye(m + p)
    to_standard[m:, m:] = np.diag(sd)
    to_standard[:m, m:] = mean
    scores = rows.weights[:, None] * model.scores(found.theta)[:, free] @ to_standard
    bread = to_raw @ np.linalg.inv(information) @ to_raw.T
    nobs = int(np.count_nonzero(rows.weights > 0))
    moments = Moments(scores, bread, nobs, float(nobs - m - p), model=bread)
    return to_raw @ found.theta[free], float(-total * model.loss(found.theta)), moments
