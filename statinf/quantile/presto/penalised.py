"""The penalised fit: a path of penalties, the one that is chosen, and draws of its coefficients."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import ConvergenceError, DataError
from statinf.inference import bootstrap as engine
from statinf.quantile.penalties import PenaltyScores
from statinf.quantile.presto.options import PrestoOptions
from statinf.quantile.presto.path import (
    PrestoPath,
    check_converged,
    class_probabilities,
    penalties_of,
    presto_path,
    presto_paths,
)
from statinf.quantile.presto.problem import PrestoProblem
from statinf.quantile.presto.rows import PrestoRows
from statinf.quantile.presto.validation import folds_of, usable_folds, validate, weights_without

_TOGETHER = 32
"""Replicas that are solved together."""
_ENOUGH = 1e-6
"""KKT residual of paths that are only scored: their scores are as exact."""


@dataclass(frozen=True, repr=False)
class PenalisedFit(Brief):
    """A path and the penalty chosen from it.

    Attributes
    ----------
    path : PrestoPath
    chosen : int
        Position of the penalty.
    validation : PenaltyScores or None
        None where one penalty was given.
    crossed : float
        Share of rows whose cumulative probabilities cross at the chosen penalty.
    problem : PrestoProblem
    options : PrestoOptions
    fold : ndarray of int, shape (n,), or None
    """

    path: PrestoPath
    chosen: int
    validation: PenaltyScores | None
    crossed: float
    problem: PrestoProblem
    options: PrestoOptions
    fold: np.ndarray | None


def fit_path(problem: PrestoProblem, options: PrestoOptions) -> PenalisedFit:
    """The path, its penalty chosen by cross-validation unless one was given."""
    rows, given = problem.rows, options.penalty
    alone = isinstance(given, float) or (given is not None and len(given) == 1)
    penalties = penalties_of(rows, options) if given is None else np.atleast_1d(np.asarray(given, float))
    fold, validation = None, None
    if alone:
        found = presto_path(rows, penalties, options)
    else:
        fold = folds_of(problem, options.folds)
        found, validation = _validated(rows, penalties, fold, options, problem.levels)
    chosen = 0 if validation is None else validation.best
    _, crossed = class_probabilities(found.eta(chosen, rows.X))
    return PenalisedFit(found, chosen, validation, float(crossed.mean()), problem, options, fold)


def _validated(
    rows: PrestoRows, penalties: np.ndarray, fold: np.ndarray, options: PrestoOptions, levels: tuple[Any, ...]
) -> tuple[PrestoPath, PenaltyScores]:
    """The path of all rows and the scores of those left out, solved together: a fold is a set of weights."""
    usable = usable_folds(rows, fold)
    weights = np.vstack([rows.weights, weights_without(rows, fold, usable)])
    limits = np.full(len(weights), max(options.tol, _ENOUGH))
    limits[0] = options.tol
    whole, *parts = presto_paths(rows, weights, penalties, options, limits)
    check_converged(whole)
    return whole, validate(parts, rows, fold, usable, options.criterion, levels)


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
    rows, options, levels = fitted.problem.rows, fitted.options, fitted.problem.levels
    q = coefficients(fitted.path, fitted.chosen, options.parallel).size
    alone = fitted.path.penalties[[fitted.chosen]]

    def chosen_again(weights: np.ndarray) -> np.ndarray:
        drawn = rows.take(weights > 0)
        drawn = replace(drawn, weights=weights[weights > 0])
        assert fitted.fold is not None
        found, scores = _validated(drawn, fitted.path.penalties, fitted.fold[weights > 0], options, levels)
        return coefficients(found, scores.best, options.parallel)

    def solve(weights: np.ndarray) -> np.ndarray:
        drawn = weights * rows.weights
        good = np.flatnonzero((rows.totals(drawn) > 0).all(axis=1))
        out = np.full((len(weights), q), np.nan)
        if choose and fitted.fold is not None:
            for r in good:
                with contextlib.suppress(ConvergenceError, DataError):
                    out[r] = chosen_again(drawn[r])
            return out
        for part in np.array_split(good, max(1, -(-len(good) // _TOGETHER))):
            for r, found in zip(part, presto_paths(rows, drawn[part], alone, options), strict=True):
                if found.converged.all():
                    out[r] = coefficients(found, 0, options.parallel)
        return out

    return solve


def draw(
    fitted: PenalisedFit, replicas: int, kind: str, *, choose: bool, seed: int, progress: bool | None
) -> engine.Bootstrap:
    """Bootstrap draws of the coefficients; clusters are drawn where the problem has them.

    Raises
    ------
    ConvergenceError
        If more than a tenth of the refits have no solution.
    """
    groups = fitted.problem.groups
    codes = None if groups is None else np.unique(groups, return_inverse=True)[1]
    units = len(fitted.problem.rows.codes) if codes is None else int(codes.max()) + 1
    solve = refit(fitted, choose)
    out = engine.map_replicas(solve, units, replicas, kind=kind, seed=seed, clusters=codes, show=progress)
    good = np.isfinite(out).all(axis=1)
    failed = int((~good).sum())
    if failed > replicas / 10:
        raise ConvergenceError(
            f"{failed} of {replicas} bootstrap refits have no solution (a category is not drawn); use kind='bayesian', "
            "which keeps every row, or a larger penalty."
        )
    clusters = 0 if codes is None else units
    return engine.Bootstrap(out[good], kind, "", seed, np.zeros(out.shape[1]), clusters=clusters, failed=failed)
