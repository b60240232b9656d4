"""Cross-validation of the penalty: folds, scores of the rows left out, and the choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from statinf.errors import DataError, StatinfWarning, issue_warning
from statinf.learners.crossfit import fold_ids
from statinf.quantile.ensemble_core import folds_of_rows, is_number
from statinf.quantile.penalties import PenaltyScores
from statinf.quantile.presto.path import PrestoPath, check_converged, class_probabilities
from statinf.quantile.presto.problem import PrestoProblem
from statinf.quantile.presto.rows import PrestoRows


def folds_of(problem: PrestoProblem, folds: Any) -> np.ndarray:
    """Fold of each row, shape (n,): labels as given, or folds alike in the categories.

    Folds follow the values of the rows, not their place: the order of the rows does not matter.
    """
    rows, n = problem.rows, len(problem.rows.codes)
    if not is_number(folds):
        return fold_ids(n, folds_of_rows(folds, problem.design, problem.design.rows)[problem.used])
    counts = np.bincount(rows.codes, minlength=rows.n_categories)
    if counts.min() < folds:
        short = int(np.argmin(counts))
        name = problem.design.response_names[0]
        raise DataError(
            f"the category {problem.levels[short]!r} of '{name}' has {counts[short]} rows for {folds} folds; join it to a "
            f"neighbour, use fewer folds, or give penalty= a number."
        )
    order = np.lexsort((*rows.X.T, rows.weights, rows.codes))
    groups = None if problem.groups is None else problem.groups[order]
    out = np.empty(n, np.intp)
    out[order] = fold_ids(n, folds, seed=problem.seed, strata=rows.codes[order], groups=groups)
    return out


def usable_folds(rows: PrestoRows, fold: np.ndarray) -> np.ndarray:
    """Folds whose other rows have every category; a warning counts those that are skipped.

    Parameters
    ----------
    fold : ndarray of int, shape (n,)
    """
    numbers = np.unique(fold)
    usable = np.array([one for one in numbers if _present(rows.take(fold != one)).all()], np.intp)
    if not len(usable):
        raise DataError("each fold holds all rows of some category; use fewer folds, or give penalty= a number.")
    if len(usable) < len(numbers):
        issue_warning(
            f"{len(numbers) - len(usable)} of {len(numbers)} folds were skipped: without their rows a category has no row to "
            "fit.",
            StatinfWarning,
        )
    return usable


def weights_without(rows: PrestoRows, fold: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Weights of all rows but those of each fold, shape (folds, n)."""
    return rows.weights * (fold != usable[:, None])


def validate(
    paths: Sequence[PrestoPath],
    rows: PrestoRows,
    fold: np.ndarray,
    usable: np.ndarray,
    criterion: str,
    levels: tuple[Any, ...],
) -> PenaltyScores:
    """Scores of each fold's rows by the path of the others.

    Of a category that the fold's own rows lack, the Brier score leaves its term out, with a warning.
    """
    scores, weights, partly = [], [], set()
    for one, found in zip(usable, paths, strict=True):
        outside = rows.take(fold == one)
        there = _present(outside)
        partly |= set(np.flatnonzero(~there).tolist())
        scores.append(fold_scores(check_converged(found), outside, criterion, there))
        weights.append(outside.weights.sum())
    if partly and criterion == "brier":
        named = ", ".join(repr(levels[k]) for k in sorted(partly))
        issue_warning(
            f"some folds have no row of {named}: there its part of the Brier score is left out.", StatinfWarning
        )
    return PenaltyScores(np.array(scores), np.array(weights) / np.sum(weights))


def _present(rows: PrestoRows) -> np.ndarray:
    return rows.totals(rows.weights[None])[0] > 0


def fold_scores(found: PrestoPath, rows: PrestoRows, criterion: str, there: np.ndarray) -> np.ndarray:
    """Weighted mean score of rows at each penalty, shape (L,)."""
    shares, _ = class_probabilities(found.every_eta(rows.X))
    own = shares[:, np.arange(len(rows.codes)), rows.codes]
    if criterion == "loglik":
        # sorted predictors may meet, which leaves a category without probability
        each = -np.log(np.maximum(own, 1e-300))
    else:
        # sum_k (1{y=k} - p_k)^2; the row's own category is there
        each = (shares[..., there] ** 2).sum(axis=-1) - 2.0 * own + 1.0
    return each @ rows.weights / rows.weights.sum()
