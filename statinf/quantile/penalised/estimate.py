"""A path of penalties and the one that is chosen at each level, for any penalty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from statinf.backend import progress_bar
from statinf.brief import Brief
from statinf.errors import DataError
from statinf.learners.crossfit import fold_ids
from statinf.quantile.ensemble_core import folds_of_rows
from statinf.quantile.penalised.options import PathOptions
from statinf.quantile.penalised.pivotal import pivotal_penalties
from statinf.quantile.penalised.problem import PathProblem
from statinf.quantile.penalties import PenaltyScores

Largest = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From weights (Q, n) and levels (Q,) to the largest penalties (Q,) and the fits there (Q, p)."""

Size = Callable[[np.ndarray], np.ndarray]
"""From row values (R, n) to the penalties (R,) at which their products with the columns leave every column out."""

Solve = Callable[..., np.ndarray]
"""From weights, levels, penalties (L,), what `Largest` gave and what is called after each penalty to coefficients (L, Q, p)."""


@dataclass(frozen=True, repr=False)
class PenaltyPath(Brief):
    """Coefficients along the penalties.

    Attributes
    ----------
    penalties : ndarray, shape (L,)
        Decreasing.
    coef : ndarray, shape (L, k, p)
        Of the columns as they were given.
    loss : ndarray, shape (L, k)
        Weighted mean check loss of the rows of the fit.
    chosen : ndarray of int, shape (k,)
        Position of each level's penalty.
    validation : tuple of PenaltyScores, or None
        One for each level; None where one penalty was given.
    """

    penalties: np.ndarray
    coef: np.ndarray
    loss: np.ndarray
    chosen: np.ndarray
    validation: tuple[PenaltyScores, ...] | None


def fit_path(problem: PathProblem, options: PathOptions, largest: Largest, size: Size, solve: Solve) -> PenaltyPath:
    """The path of all rows, and of the rows outside each fold where the penalty is to be chosen."""
    k, given = len(problem.levels), options.penalty
    pivotal = None
    if given is None and options.rule == "pivotal":
        pivotal = pivotal_penalties(problem.w, problem.levels, size, problem.seed)
    fold = None if pivotal is not None or (given and len(given) == 1) else _folds(problem, options.folds)
    numbers = np.arange(0) if fold is None else np.unique(fold)
    # problems in the order: all rows at every level, then each fold's other rows at every level
    masks = [np.ones(len(problem.y), bool), *(fold != one for one in numbers)]
    w = np.repeat(np.stack([problem.w * mask for mask in masks]), k, axis=0)
    tau = np.tile(problem.levels, len(masks))
    begin = largest(w, tau)
    if given is None:
        top = float(begin[0][:k].max())
        if not top > 0:
            raise DataError("no penalised column would enter at any penalty; use si.rq.")
        low = top * options.lambda_min_ratio if pivotal is None else min(top, float(pivotal.min()))
        penalties = np.geomspace(top, low, options.nlambda)
        if pivotal is not None:
            penalties = np.unique(np.concatenate([penalties, pivotal]))[::-1]
    else:
        penalties = np.array(given)
    steps = progress_bar(range(len(penalties)), label="penalties", show=problem.progress)
    coef = solve(w, tau, penalties, begin, lambda: next(steps, None))
    next(steps, None)
    X, y, levels = problem.X, problem.y, problem.levels
    inner = np.column_stack([_mean_losses(X, y, problem.w, t, coef[:, j]) for j, t in enumerate(levels)])
    validation = None
    if fold is not None:
        validation = tuple(_validate(problem, fold, numbers, t, coef[:, k + j :: k]) for j, t in enumerate(levels))
    chosen = np.zeros(k, np.intp) if pivotal is None else np.searchsorted(-penalties, -pivotal)
    if validation is not None:
        chosen = np.array([v.pick(options.rule) for v in validation])
    return PenaltyPath(penalties, problem.carried(coef[:, :k]), inner * problem.unit, chosen, validation)


def _mean_losses(X: np.ndarray, y: np.ndarray, w: np.ndarray, tau: float, coef: np.ndarray) -> np.ndarray:
    """Weighted mean check loss at each penalty, shape (L,), one penalty at a time: rows may be many."""
    residuals = (y - X @ b for b in coef)
    return np.array([np.where(r < 0, (tau - 1.0) * r, tau * r) @ w for r in residuals]) / w.sum()


def _validate(
    problem: PathProblem, fold: np.ndarray, numbers: np.ndarray, tau: float, coef: np.ndarray
) -> PenaltyScores:
    """Mean check loss of each fold's rows by the path of the others; coef (L, folds, p)."""
    scores, shares = [], []
    for f, one in enumerate(numbers):
        out = fold == one
        scores.append(_mean_losses(problem.X[out], problem.y[out], problem.w[out], tau, coef[:, f]))
        shares.append(problem.w[out].sum())
    return PenaltyScores(np.array(scores) * problem.unit, np.array(shares) / np.sum(shares))


def _folds(problem: PathProblem, folds: object) -> np.ndarray:
    """Fold numbers of the rows."""
    asked = folds_of_rows(folds, problem.design, np.asarray(problem.design.rows)[problem.used])
    if not isinstance(asked, int):
        return fold_ids(len(problem.y), asked)
    return fold_ids(len(problem.y), asked, seed=problem.seed)
