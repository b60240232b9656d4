"""Quantile regression with a penalty on the length of groups of coefficients (Kato 2011, arXiv 1103.1458).

The estimate minimises the mean check loss plus the penalty times the sum over groups of sqrt(size) times the Euclidean length
of the group's coefficients, so that a factor or a spline enters or stays out as a whole.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.errors import OptionError
from statinf.formula.matrix import Matrix
from statinf.numerics.quantreg.group_lasso import GroupProblems, group_lasso_path, largest_group_penalty, lengths
from statinf.quantile.penalised.estimate import PenaltyPath, fit_path
from statinf.quantile.penalised.options import GroupOptions
from statinf.quantile.penalised.problem import PathProblem, check_rank, columns_of, penalised_columns
from statinf.results import Method

_DEPENDENT = 1e-9


def group_numbers(matrix: Matrix, options: GroupOptions) -> np.ndarray:
    """Number of each column's group, -1 for columns that are not penalised, shape (p,)."""
    labels = np.empty(matrix.p, object)
    for term, at in matrix.terms.items():
        labels[at] = (term,)
    for name, label in (options.groups or {}).items():
        labels[columns_of(matrix, name, "groups")] = label
    penalised = penalised_columns(matrix, options.unpenalized)
    names = list(dict.fromkeys(labels[penalised]))
    return np.array([names.index(one) if free else -1 for one, free in zip(labels, penalised, strict=True)])


def orthonormal(problem: PathProblem, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (p, p) whose products with the columns are orthonormal within groups, and which of these are there.

    A direction that the columns before it in its group determine is left out.
    """
    turn, there = np.eye(problem.X.shape[1]), np.ones(problem.X.shape[1], bool)
    share = problem.w / problem.w.sum()
    for g in range(group.max() + 1):
        mine = np.flatnonzero(group == g)
        columns = problem.X[:, mine] * np.sqrt(share)[:, None]
        values, vectors = np.linalg.eigh(columns.T @ columns)
        good = values > _DEPENDENT * max(values[-1], 1e-300)
        turn[np.ix_(mine, mine)] = np.where(good, vectors / np.sqrt(np.where(good, values, 1.0)), 0.0)
        there[mine] = good
    return turn, there


def estimate(problem: PathProblem, options: GroupOptions) -> PenaltyPath:
    """The path of the group lasso."""
    group = group_numbers(problem.matrix, options)
    check_rank(problem, group >= 0, options.penalty)
    if options.standardize:
        turn, there = orthonormal(problem, group)
    else:
        turn, there = np.diag(problem.scale), np.ones(len(group), bool)
    if not (there & (group >= 0)).any():
        raise OptionError("no penalised column varies; use si.rq.")
    turn, kept = turn[:, there], group[there]
    sizes = np.bincount(kept[kept >= 0], minlength=group.max() + 1)
    numbers = np.cumsum(sizes > 0) - 1
    kept = np.where(kept >= 0, numbers[kept], -1)
    factors = np.sqrt(sizes[sizes > 0].astype(float))
    X = np.ascontiguousarray(problem.X @ turn)

    def rows(w: np.ndarray, tau: np.ndarray) -> GroupProblems:
        return GroupProblems(X, problem.y, w, tau, kept, factors)

    def solve(w: np.ndarray, tau: np.ndarray, *path: Any) -> np.ndarray:
        return group_lasso_path(rows(w, tau), *path) @ turn.T

    def size(values: np.ndarray) -> np.ndarray:
        return np.max(lengths(values @ X, kept, len(factors)) / factors, axis=1)

    return fit_path(problem, options, lambda w, tau: largest_group_penalty(rows(w, tau)), size, solve)


METHOD = Method(
    verb="rq_path",
    name="group-lasso",
    estimate=estimate,
    options=GroupOptions,
    summary="penalty on groups of coefficients: terms as a whole",
    citation="Kato (2011), Group lasso for high dimensional sparse quantile regression models",
    arxiv="1103.1458",
    guarantee="cone programs solved to 1e-10, certified on all rows; free of the coding of factors",
    vignette="penalised-quantiles",
)
