"""Cross-validation of the penalty: folds, scores of the rows left out, and the choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, StatinfWarning, issue_warning
from statinf.learners.crossfit import fold_ids
from statinf.quantile.ensemble_core import folds_of_rows, is_number
from statinf.quantile.presto.options import PrestoOptions
from statinf.quantile.presto.path import PrestoPath, PrestoRows, class_probabilities, presto_path
from statinf.quantile.presto.problem import PrestoProblem


@dataclass(frozen=True, repr=False)
class Validation(Brief):
    """Scores of rows left out; smaller is better.

    Attributes
    ----------
    scores : ndarray, shape (folds, L)
        Mean score in each fold at each penalty.
    shares : ndarray, shape (folds,)
        Weight of each fold; they sum to one.
    """

    scores: np.ndarray
    shares: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean score over all rows, shape (L,)."""
        return self.shares @ self.scores

    @property
    def error(self) -> np.ndarray:
        """Standard error of the mean from its spread over folds, shape (L,)."""
        count = len(self.shares)
        if count < 2:
            return np.full(self.scores.shape[1], np.nan)
        return np.sqrt((self.shares**2 @ (self.scores - self.mean) ** 2) * count / (count - 1))

    @property
    def best(self) -> int:
        """Position of the largest penalty with the smallest mean score."""
        return int(np.argmin(self.mean))


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


def cross_validate(
    rows: PrestoRows, penalties: np.ndarray, fold: np.ndarray, options: PrestoOptions, levels: tuple[Any, ...]
) -> Validation:
    """Scores of each fold's rows by the path of the others.

    A fold whose other rows lack a category is skipped; of a category that the fold's own rows lack, the Brier score leaves
    its term out. Both are warned of.

    Parameters
    ----------
    fold : ndarray of int, shape (n,)
    """
    scores, weights, skipped, partly = [], [], 0, set()
    for one in np.unique(fold):
        inside, outside = rows.take(fold != one), rows.take(fold == one)
        if not _present(inside).all():
            skipped += 1
            continue
        there = _present(outside)
        partly |= set(np.flatnonzero(~there).tolist())
        found = presto_path(inside, penalties, options)
        scores.append(fold_scores(found, outside, options.criterion, there))
        weights.append(outside.weights.sum())
    if not scores:
        raise DataError("each fold holds all rows of some category; use fewer folds, or give penalty= a number.")
    if skipped:
        issue_warning(
            f"{skipped} of {skipped + len(scores)} folds were skipped: without their rows a category has no row to fit.",
            StatinfWarning,
        )
    if partly and options.criterion == "brier":
        named = ", ".join(repr(levels[k]) for k in sorted(partly))
        issue_warning(
            f"some folds have no row of {named}: there its part of the Brier score is left out.", StatinfWarning
        )
    shares = np.array(weights) / np.sum(weights)
    return Validation(np.array(scores), shares)


def _present(rows: PrestoRows) -> np.ndarray:
    return np.bincount(rows.codes, weights=rows.weights, minlength=rows.n_categories) > 0


def fold_scores(found: PrestoPath, rows: PrestoRows, criterion: str, there: np.ndarray) -> np.ndarray:
    """Weighted mean score of rows at each penalty, shape (L,)."""
    out = np.empty(len(found.penalties))
    own = np.arange(len(rows.codes)), rows.codes
    for which in range(len(out)):
        shares, _ = class_probabilities(found.eta(which, rows.X))
        if criterion == "brier":
            shares[own] -= 1.0
            out[which] = rows.weights @ (shares[:, there] ** 2).sum(axis=1)
        else:
            # sorted predictors may meet, which leaves a category without probability
            out[which] = -rows.weights @ np.log(np.maximum(shares[own], 1e-300))
    return out / rows.weights.sum()
