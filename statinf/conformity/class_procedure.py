"""The two ways a set of classes is made: calibrated on held-out rows, or from fits that leave rows out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.conformity.class_score import inside
from statinf.conformity.leave_out import guaranteed_level
from statinf.inference.conformal import Calibration, quantile_rank, smallest_n
from statinf.learners.classes import ClassProbabilities

CALIBRATION_DRAWS, NEW_DRAWS = 53, 59
"""Streams of random numbers of the scores of rows that calibrate, and of new rows."""


@dataclass(frozen=True, repr=False)
class ClassSplit(Brief):
    """A fitted classifier, a score and the scores of calibration rows.

    Attributes
    ----------
    score : ClassScore
    fitted : ClassProbabilities
    levels : tuple
        The classes, in their order.
    calibration : Calibration
        Its groups are those of the fit, or with `by_class` the pairs of a group and a class.
    by_class : bool
        Whether every class has a threshold of its own.
    seed : int
        Of the draws at new rows.
    trained, tuned : int
        Rows the model was fitted to, and rows held apart to choose what the score takes.
    sizes : ndarray of int, shape (K + 1,)
        How many calibration rows have a set of so many classes at the level of the fit.
    allow_empty : bool
        Whether sets may be empty; else the likeliest class is put into those.
    """

    score: Any
    fitted: ClassProbabilities
    levels: tuple[Any, ...]
    calibration: Calibration
    by_class: bool
    seed: int
    trained: int
    tuned: int
    sizes: np.ndarray
    allow_empty: bool = True

    takes_columns = False
    per_row = False

    @property
    def n(self) -> int:
        """Calibration rows."""
        return len(self.calibration.scores)

    def sets(
        self,
        P: np.ndarray,
        X: np.ndarray,
        draws: np.ndarray,
        level: float,
        ratio: np.ndarray | None = None,
        groups: np.ndarray | None = None,
    ) -> np.ndarray:
        """Which classes belong to the sets of rows with probabilities P (m, K), as booleans (m, K)."""
        q = class_thresholds(self.calibration, P.shape, level, self.by_class, ratio, groups)
        return filled(inside(self.score, P, draws, q), P, self.allow_empty)

    def p_values(
        self,
        P: np.ndarray,
        draws: np.ndarray,
        ratio: np.ndarray | None = None,
        groups: np.ndarray | None = None,
        ties: np.ndarray | float = 1.0,
    ) -> np.ndarray:
        """Conformal p-values (m, K) of every class."""
        scores, K = self.score.every(P, draws), P.shape[1]
        out = np.empty(P.shape)
        for k in range(K):
            cells = _cells(groups, len(P), k, K) if self.by_class else groups
            out[:, k] = self.calibration.p_values(scores[:, k : k + 1], ratio, cells, ties)
        return out

    def smallest(self, level: float) -> int:
        """Fewest calibration rows (of a group or class) at which sets leave classes out."""
        return smallest_n(level)

    def guarantee(self, level: float, grouped: bool) -> str:
        """What theory says of coverage."""
        per = " of every class" if self.by_class else ""
        per += " in every group" if grouped else ""
        if self.calibration.weights is not None:
            return f"at least {level:g}{per} on the target population if the density ratio is right"
        # A class that is put into empty sets covers beyond what its score does.
        most = f", and below {level:g} + 1/(n + 1) if scores are distinct," if self.allow_empty else ""
        return f"at least {level:g}{per}{most} for exchangeable rows"


@dataclass(frozen=True, repr=False)
class ClassCross(Brief):
    """Scores of rows from fits that left them out, by one or by folds.

    Attributes
    ----------
    score : ClassScore
    fitted : ClassProbabilities
        The fit to all rows; its probabilities are shown, sets come from the others.
    levels : tuple
    fits : tuple of ClassProbabilities
    folds : ndarray of int, shape (n,)
        Which fit left a row out.
    scores : ndarray, shape (n,)
    seed : int
    """

    score: Any
    fitted: ClassProbabilities
    levels: tuple[Any, ...]
    fits: tuple[ClassProbabilities, ...]
    folds: np.ndarray
    scores: np.ndarray
    seed: int
    allow_empty: bool = True

    takes_columns = False
    per_row = False
    reference = "Romano, Sesia, Candes (2020), arXiv 2006.02544"

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.scores)

    def sets(
        self,
        P: np.ndarray,
        X: np.ndarray,
        draws: np.ndarray,
        level: float,
        ratio: np.ndarray | None = None,
        groups: np.ndarray | None = None,
    ) -> np.ndarray:
        """Classes whose score exceeds fewer than level (n + 1) scores of rows, each compared through the fit without it."""
        exceeded = np.zeros(P.shape, np.intp)
        for k, fitted in enumerate(self.fits):
            own = np.sort(self.scores[self.folds == k])
            exceeded += np.searchsorted(own, self.score.every(fitted.probabilities(X), draws), side="left")
        return filled(exceeded < quantile_rank(self.n, level), P, self.allow_empty)

    def smallest(self, level: float) -> int:
        """Fewest rows at which sets leave classes out."""
        return smallest_n(level)

    def guarantee(self, level: float, grouped: bool) -> str:
        """What theory says of coverage."""
        one_each = len(self.fits) == self.n
        floor = max(0.0, 2 * level - 1 if one_each else guaranteed_level(self.n, len(self.fits), level))
        return f"at least {floor:.4g} for exchangeable rows; about the level in practice"


def filled(members: np.ndarray, P: np.ndarray, allow_empty: bool) -> np.ndarray:
    """Sets (m, K), with the likeliest class in those that are empty and may not be."""
    if not allow_empty:
        empty = np.flatnonzero(~members.any(axis=1))
        members[empty, P[empty].argmax(axis=1)] = True
    return members


def class_thresholds(
    calibration: Calibration,
    shape: tuple[int, int],
    level: float,
    by_class: bool,
    ratio: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """Thresholds that broadcast to `shape`, (rows, classes)."""
    m, K = shape
    if not by_class:
        if ratio is None and groups is None:
            return calibration.thresholds(level, 1)
        return calibration.thresholds(level, m, ratio, groups)
    if ratio is None and groups is None:
        return calibration.thresholds(level, K, new_groups=np.arange(K))[:, 0]
    columns = [calibration.thresholds(level, m, ratio, _cells(groups, m, k, K))[:, 0] for k in range(K)]
    return np.column_stack(columns)


def cells_of(groups: np.ndarray | None, classes: np.ndarray, K: int) -> np.ndarray:
    """Numbers (n,) of the pairs of a group and a class; -1 where the group is unknown."""
    if groups is None:
        return classes
    return np.where(groups < 0, -1, groups * K + classes)


def _cells(groups: np.ndarray | None, m: int, k: int, K: int) -> np.ndarray:
    return cells_of(groups, np.full(m, k), K)
