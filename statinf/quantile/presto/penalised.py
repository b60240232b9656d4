"""The penalised fit: a path of penalties, the one that is chosen, and draws of its coefficients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.errors import ConvergenceError, DataError
from statinf.quantile.presto.options import PrestoOptions
from statinf.quantile.presto.path import PrestoPath, class_probabilities, penalties_of, presto_path
from statinf.quantile.presto.problem import PrestoProblem
from statinf.quantile.presto.validation import Validation, cross_validate, folds_of


@dataclass(frozen=True, repr=False)
class PenalisedFit(Brief):
    """A path and the penalty chosen from it.

    Attributes
    ----------
    path : PrestoPath
    chosen : int
        Position of the penalty.
    validation : Validation or None
        None where one penalty was given.
    crossed : float
        Share of rows whose cumulative probabilities cross at the chosen penalty.
    problem : PrestoProblem
    options : PrestoOptions
    fold : ndarray of int, shape (n,), or None
    """

    path: PrestoPath
    chosen: int
    validation: Validation | None
    crossed: float
    problem: PrestoProblem
    options: PrestoOptions
    fold: np.ndarray | None


def fit_path(problem: PrestoProblem, options: PrestoOptions) -> PenalisedFit:
    """The path, its penalty chosen by cross-validation unless one was given."""
    rows, given = problem.rows, options.penalty
    alone = isinstance(given, float) or (given is not None and len(given) == 1)
    fold = None if alone else folds_of(problem, options.folds)
    if given is None:
        penalties = penalties_of(rows, options)
    else:
        penalties = np.atleast_1d(np.asarray(given, float))
    found = presto_path(rows, penalties, options)
    validation = None if fold is None else cross_validate(rows, penalties, fold, options, problem.levels)
    chosen = 0 if validation is None else validation.best
    _, crossed = class_probabilities(found.eta(chosen, rows.X))
    return PenalisedFit(found, chosen, validation, float(crossed.mean()), problem, options, fold)


def coefficients(path: PrestoPath, which: int, parallel: bool) -> np.ndarray:
    """Slopes, those of all boundaries or boundary by boundary, then intercepts."""
    slopes = path.slopes[which][:1] if parallel else path.slopes[which]
    return np.concatenate([slopes.ravel(), path.intercepts[which]])


def refit(fitted: PenalisedFit, choose: bool) -> Callable[[np.ndarray], np.ndarray]:
    """Coefficients (c, q) from replica weights (c, n) of the rows; NaN where a category is not drawn.

    Parameters
    ----------
    fitted : PenalisedFit
    choose : bool
        Choose the penalty again in each replica, a row's copies in one fold.
    """
    rows, options = fitted.problem.rows, fitted.options
    penalties = fitted.path.penalties if choose else fitted.path.penalties[[fitted.chosen]]

    def one(weights: np.ndarray) -> np.ndarray:
        drawn = rows.reweighted(weights * rows.weights)
        q = coefficients(fitted.path, fitted.chosen, options.parallel).size
        if len(np.unique(drawn.codes)) < rows.n_categories:
            return np.full(q, np.nan)
        try:
            which = 0
            if choose and fitted.fold is not None:
                fold = fitted.fold[weights * rows.weights > 0]
                which = cross_validate(drawn, penalties, fold, options, fitted.problem.levels).best
            return coefficients(presto_path(drawn, penalties[: which + 1], options), which, options.parallel)
        except (ConvergenceError, DataError):
            return np.full(q, np.nan)

    return lambda weights: np.stack([one(row) for row in weights])
