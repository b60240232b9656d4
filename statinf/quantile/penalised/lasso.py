"""Quantile regression with the absolute penalty, exactly (Belloni and Chernozhukov 2011, arXiv 0904.2931).

The estimate minimises the mean check loss plus the penalty times the sum of the coefficients' sizes; its vertices are exact,
and columns that are left out have coefficients that are zero. The estimand is that of `si.rq` under sparsity: the estimates
are biased towards zero and come without standard errors.
"""

from __future__ import annotations

import numpy as np

from statinf.numerics.quantreg.lasso import LassoProblems, largest_penalty, lasso_path
from statinf.quantile.penalised.estimate import PenaltyPath, fit_path
from statinf.quantile.penalised.options import PathOptions
from statinf.quantile.penalised.problem import PathProblem, check_rank, penalised_columns
from statinf.results import Method


def estimate(problem: PathProblem, options: PathOptions) -> PenaltyPath:
    """The path of the lasso."""
    penalised = penalised_columns(problem.matrix, options.unpenalized)
    check_rank(problem, penalised, options.penalty)
    factors = np.where(penalised, 1.0 if options.standardize else 1.0 / problem.scale, 0.0)

    def rows(w: np.ndarray, tau: np.ndarray) -> LassoProblems:
        return LassoProblems(problem.X, problem.y, w, tau, factors)

    free = factors > 0
    return fit_path(
        problem,
        options,
        lambda w, tau: largest_penalty(rows(w, tau)),
        lambda values: np.max(np.abs(values @ problem.X[:, free]) / factors[free], axis=1),
        lambda w, tau, *path: lasso_path(rows(w, tau), *path),
    )


METHOD = Method(
    verb="rq_path",
    name="lasso",
    estimate=estimate,
    options=PathOptions,
    summary="absolute penalty: coefficients one by one",
    citation="Belloni and Chernozhukov (2011), l1-penalized quantile regression in high-dimensional sparse models",
    arxiv="0904.2931",
    guarantee="exact vertices at every penalty, certified on all rows",
    vignette="penalised-quantiles",
)
